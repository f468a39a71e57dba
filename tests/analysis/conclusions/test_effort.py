from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import tuning_curves
from analysis.comparison.comparisons import comparisons
from analysis.conclusions.effort import DIFFERENCE, Effort, efforts
from analysis.conclusions.verdict_table import verdict_results
from analysis.metrics import SELECTION, TUNED
from analysis.statistics.intervals import simultaneous_t_quantile
from tests.analysis.searched import RUNGS, searched_runs
from tests.analysis.studies import simulated_runs, with_one_metric

TEST = "test/map_at_r"


def study(effect: float = 0.0, seeds: int = 9, **options: object) -> pd.DataFrame:
    """Three margins of each loss, and a validation score that knows the best of them."""
    rng = np.random.default_rng(3)
    runs = simulated_runs(rng, seeds=seeds, miners=("all",), margins=(0.2, 0.5, 1.0), effect=effect, **options)  # type: ignore[arg-type]
    return with_one_metric(runs)


def effort_of(runs: pd.DataFrame) -> Effort:
    compared = comparisons(runs)
    (effort,) = efforts(compared, verdict_results(compared))
    return effort


def shifted(runs: pd.DataFrame, loss: str, margin: float, gain: float) -> pd.DataFrame:
    """The runs where one setting of a loss scores so much more, which validation data show."""
    there = (runs["loss"] == loss) & (runs["margin"] == margin)
    return runs.assign(**{name: runs[name] + gain * there for name in (TEST, SELECTION)})


def test_sentence_6_curves_have_a_row_for_each_arm_and_the_difference_at_every_number_of_settings() -> None:
    table = tuning_curves(study())
    assert list(table.columns[:5]) == ["dataset", "first", "second", "curve", "settings"]
    assert set(zip(table["curve"], table["settings"], strict=True)) == {
        (curve, tried) for curve in ("triplet", "contrastive", DIFFERENCE) for tried in (1, 2, 3)
    }
    wide = table.pivot(index="settings", columns="curve", values="mean")
    assert (wide["triplet"] - wide["contrastive"]).tolist() == pytest.approx(wide[DIFFERENCE].tolist())


def test_sentence_6_the_band_is_that_of_the_curves_of_the_seeds() -> None:
    runs = shifted(study(), "triplet", 0.5, 0.03)
    scores = [
        runs[runs["loss"] == loss].sort_values([SELECTION]).groupby("seed")[TEST].apply(list).to_list()
        for loss in ("triplet", "contrastive")
    ]
    first, second = (np.array(own) @ np.array([[1, 0, 0], [1, 1, 0], [1, 2, 3]]) / 3 for own in scores)
    curves = first - second  # by hand: the best of 1, 2 and 3 of three that are in order
    half = simultaneous_t_quantile(curves) * curves.std(axis=0, ddof=1) / 3
    rows = tuning_curves(runs).query("curve == @DIFFERENCE")
    assert rows["band_low"].tolist() == pytest.approx((curves.mean(axis=0) - half).tolist())
    assert rows["band_high"].tolist() == pytest.approx((curves.mean(axis=0) + half).tolist())


def test_sentence_6_a_loss_is_better_from_where_its_band_stays_on_one_side() -> None:
    effort = effort_of(shifted(study(pair_noise=0.004), "triplet", 0.5, 0.03))
    rows = tuning_curves(shifted(study(pair_noise=0.004), "triplet", 0.5, 0.03)).query("curve == @DIFFERENCE")
    beyond = rows.loc[rows["band_low"] > 0.01, "settings"]
    assert effort.leader is not None
    assert (effort.leader.arm, effort.leader.least) == ("triplet", rows.loc[rows["band_low"] > 0, "settings"].min())
    assert effort.beyond_from == beyond.min() > effort.leader.least
    assert str(effort.outcome) == str(effort.verdict) == "triplet"


def test_sentence_6_a_direction_that_turns_is_seen() -> None:
    # The triplet loss has one good setting and two bad ones: best of all three, worse at random.
    runs = study(pair_noise=0.002)
    for margin, gain in ((0.2, -0.1), (0.5, 0.04), (1.0, -0.1)):
        runs = shifted(runs, "triplet", margin, gain)
    effort = effort_of(runs)
    assert [(lead.arm, lead.least, lead.most) for lead in effort.leads] == [("contrastive", 1, 2), ("triplet", 3, 3)]
    assert effort.other_leads == effort.leads[:1]


def test_sentence_6_losses_alike_lie_within_the_region_of_equivalence() -> None:
    effort = effort_of(study(pair_noise=0.001, run_noise=0.0005))
    assert (effort.within_from, effort.beyond_from) == (1, None)
    assert effort.outcome.outcome == effort.verdict.outcome == "equivalent"


def test_sentence_6_at_all_settings_the_band_names_no_arm_that_the_mean_of_the_verdict_does_not() -> None:
    leading = 0
    for seed in range(10):
        runs = with_one_metric(simulated_runs(np.random.default_rng(seed), effect=0.012 * (seed % 3 - 1)))
        compared = comparisons(runs)
        results = verdict_results(compared)
        (effort,) = efforts(compared, results)
        if effort.leader is not None:
            leading += 1
            tuned = next(result for result in results if result.estimand == TUNED and result.metric == "map_at_r")
            assert effort.leader.arm == (tuned.first if tuned.difference > 0 else tuned.second)
            assert effort.verdict.side in (None, effort.leader.arm)
    assert leading >= 2


@pytest.mark.parametrize(
    "runs",
    [searched_runs(np.random.default_rng(0), rungs=RUNGS), searched_runs(np.random.default_rng(0), search="tpe")],
    ids=["halved", "tpe"],
)
def test_sentence_6_a_search_that_learned_or_halved_has_no_curves_and_no_sentence(runs: pd.DataFrame) -> None:
    assert tuning_curves(runs).empty
    compared = comparisons(runs)
    assert efforts(compared, verdict_results(compared)) == []


def test_sentence_6_one_seed_has_no_band_and_shows_nothing() -> None:
    effort = effort_of(study(effect=0.1, seeds=1))
    assert effort.leads == ()
    assert effort.beyond_from is effort.within_from is None
    assert str(effort.outcome) == "undecided"
    assert tuning_curves(study(seeds=1))[["low", "high", "band_low", "band_high"]].isna().all().all()
