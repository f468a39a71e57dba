"""Regions of practical equivalence of one's own, and the verdicts under them."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest

from analysis import claims, overall_verdicts, slice_verdicts, verdicts
from analysis.comparison.comparisons import comparisons
from analysis.metrics import METRICS, TUNED, metrics_with, title_of, with_own_rope
from tests.analysis.studies import simulated_runs

DEFAULTS = {metric.name: {"share": 0.01, "log": 1.1, "epochs": 1.0}[metric.scale] for metric in METRICS}


def study(effect: float = 0.03) -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(1), seeds=13, effect=effect, pair_noise=0.004)


def verdict_of(table: pd.DataFrame, metric: str = "map_at_r") -> str:
    """The tuned verdict, or the one overall."""
    return str(table.loc[(table["metric"] == metric) & (table["estimand"] == TUNED), "verdict"].iloc[0])


def test_regions_are_given_in_the_unit_of_the_metric() -> None:
    given = {"map_at_r": 0.02, "grad_norm": 1.2, "loss_decay_epochs": 3}
    own = {metric.name: metric.rope for metric in with_own_rope(metrics_with(given))}
    assert own == {"map_at_r": 0.02, "grad_norm": pytest.approx(math.log(1.2)), "loss_decay_epochs": 3.0}
    assert [metric.name for metric in metrics_with(given)] == [metric.name for metric in METRICS]
    assert metrics_with(None) == metrics_with({}) == METRICS
    assert not with_own_rope(metrics_with(DEFAULTS))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("map_at", 0.02, "unknown metric 'map_at': did you mean 'map_at_r'? choose from map_at_r, intra_variance"),
        ("loss", 0.02, "unknown metric 'loss': choose from map_at_r"),
        ("map_at_r", 0.0, "of map_at_r must be a share between 0 and 1 (0.02 is 2 points), not 0"),
        ("map_at_r", -0.01, "of map_at_r must be a share between 0 and 1 (0.02 is 2 points), not -0.01"),
        ("map_at_r", 1.0, "of map_at_r must be a share between 0 and 1 (0.02 is 2 points), not 1"),
        ("map_at_r", math.nan, "of map_at_r must be a share between 0 and 1 (0.02 is 2 points), not nan"),
        ("grad_norm", 1.0, "of grad_norm must be a finite factor above 1 (1.2 is a fifth more), not 1"),
        ("grad_norm", math.inf, "of grad_norm must be a finite factor above 1 (1.2 is a fifth more), not inf"),
        ("loss_decay_epochs", 0.0, "of loss_decay_epochs must be a finite number of epochs above 0, not 0"),
        ("loss_decay_epochs", math.inf, "of loss_decay_epochs must be a finite number of epochs above 0, not inf"),
    ],
)
def test_a_region_that_is_not_possible_is_refused_in_one_line(name: str, value: float, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)) as caught:
        metrics_with({name: value})
    assert "\n" not in str(caught.value)


def test_the_regions_of_the_scales_given_by_hand_change_nothing() -> None:
    runs = study()
    pd.testing.assert_frame_equal(verdicts(runs, rope=DEFAULTS), verdicts(runs), check_exact=True)


def test_sentence_9_a_wider_region_makes_a_clear_difference_equivalent_and_moves_no_other_metric() -> None:
    runs = study(effect=0.03)
    plain, wide = verdicts(runs), verdicts(runs, rope={"map_at_r": 0.06})
    assert (verdict_of(plain), verdict_of(wide)) == ("triplet", "equivalent")
    assert (verdict_of(overall_verdicts(plain)), verdict_of(overall_verdicts(wide))) == ("triplet", "equivalent")
    assert set(wide.loc[wide["metric"] == "map_at_r", "rope"]) == {0.06}
    others = plain["metric"] != "map_at_r"
    pd.testing.assert_frame_equal(wide[others], plain[others], check_exact=True)


@pytest.mark.parametrize("effect", [0.0, 0.012, 0.05])
def test_the_wider_the_region_the_easier_is_equivalence_and_the_harder_a_clear_difference(effect: float) -> None:
    runs = study(effect).drop(columns=[metric.column for metric in METRICS if metric.name != "map_at_r"])
    rows = [verdicts(runs, rope={"map_at_r": rope}) for rope in (0.002, 0.01, 0.03, 0.2)]
    tuned = pd.concat(row[(row["metric"] == "map_at_r") & (row["estimand"] == TUNED)] for row in rows)
    assert tuned["p_equivalence"].is_monotonic_decreasing
    assert tuned["p_minimum_effect"].is_monotonic_increasing
    assert tuned["p_value"].nunique() == tuned["difference"].nunique() == 1


def test_claims_slices_and_the_budget_read_the_same_region() -> None:
    runs = study(effect=0.03)
    wide = {"map_at_r": 0.06, "recall_at_1": 0.06}
    slices = slice_verdicts(runs, rope=wide)
    sliced = slices[slices["metric"].isin(wide)]
    assert set(sliced["verdict"]) == {"equivalent"}
    assert set(sliced["rope"]) == {0.06}
    assert set(slices.loc[slices["metric"] == "linear_accuracy", "rope"]) == {0.01}
    on_recall = claims(runs, rope=wide).query("metric == 'recall_at_1' and dataset == 'digits'")
    assert set(on_recall["verdict"]) == {"equivalent"}
    (comparison,) = comparisons(runs, metrics_with(wide))
    assert comparison.budget_curve is not None
    assert comparison.budget_curve.rope == 0.06


def test_every_metric_has_a_title_of_its_own_that_is_not_in_code_style() -> None:
    titles = [metric.title for metric in METRICS]
    assert len(set(titles)) == len(titles)
    assert not any("_" in title for title in titles)
    assert [title_of(metric.name) for metric in METRICS] == titles
