from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.comparison.pairing import DEFAULT_SETTING, Condition
from analysis.conclusions.advice import Advice
from analysis.metrics import SELECTION
from tests.analysis.findings import found
from tests.analysis.studies import simulated_runs

TEST = "test/map_at_r"
MARGINS = (0.5, 1.0, 2.0)


def study(effect: float = 0.05, **options: object) -> pd.DataFrame:
    """Hard pairs at margin 1 are the best on validation data, and 0.04 better on test data, for 9 of 13 seeds."""
    runs = simulated_runs(np.random.default_rng(0), seeds=13, margins=MARGINS, effect=effect, **options)  # type: ignore[arg-type]
    best = (runs["miner"] == "hard") & (runs["margin"] == 1.0) & (runs["seed"] < 9)
    runs.loc[best, [SELECTION, TEST]] += 0.04
    other = (runs["miner"] == "all") & (runs["margin"] == 0.5) & (runs["seed"] >= 9)
    runs.loc[other, [SELECTION, TEST]] += 0.04
    return runs


def at_default(runs: pd.DataFrame) -> pd.Series:
    return (runs["miner"] == DEFAULT_SETTING.miner) & (runs["margin"] == DEFAULT_SETTING.margin)


def points_of(runs: pd.DataFrame, untrained: float, epoch: int = 0) -> pd.DataFrame:
    """Test MAP@R by epoch as `StoredStudy` holds it: `untrained` less than at the end, with noise."""
    noise = np.random.default_rng(1).normal(0, 0.002, len(runs))
    first = pd.DataFrame({"key": runs["key"], "metric": TEST, "epoch": epoch, "value": runs[TEST] - untrained + noise})
    last = pd.DataFrame({"key": runs["key"], "metric": TEST, "epoch": 50, "value": runs[TEST]})
    loss = pd.DataFrame({"key": runs["key"], "metric": "train/loss", "epoch": epoch, "value": 7.0})
    return pd.concat([first, last, loss], ignore_index=True).astype({"key": "category", "metric": "category"})


def advice_of(runs: pd.DataFrame, points: pd.DataFrame | None = None) -> Advice:
    (advice,) = found("s", runs, points).advice
    return advice


def test_the_advice_is_the_loss_of_the_verdict_with_the_setting_that_most_seeds_chose() -> None:
    advice = advice_of(study())
    assert (advice.loss, advice.other, advice.result.judged.outcome) == ("triplet", "contrastive", "named")
    assert (advice.setting, advice.chosen_by, advice.seeds) == (Condition("hard", 1.0, 1e-3), 9, 13)
    assert advice_of(study(effect=-0.05)).loss == "contrastive"


def test_the_gain_over_the_other_loss_is_the_tuned_difference_seen_from_the_advised_one() -> None:
    for effect in (0.05, -0.05):
        advice = advice_of(study(effect))
        gain, result = advice.over_other, advice.result
        assert 0.03 < gain.difference < 0.07
        assert gain.ci_low < gain.difference < gain.ci_high
        assert abs(result.difference) == gain.difference
        assert {abs(result.ci_low), abs(result.ci_high)} == {gain.ci_low, gain.ci_high}


def test_without_a_named_loss_the_one_of_the_higher_mean_is_shown() -> None:
    runs = study(effect=0.0)
    advice = advice_of(runs)
    assert advice.result.judged.outcome != "named"
    higher = "triplet" if advice.result.difference > 0 else "contrastive"
    assert (advice.loss, advice.over_other.difference >= 0) == (higher, True)


def test_the_gain_over_the_default_setting_is_paired_by_seed_and_within_one_loss() -> None:
    runs = study()
    gain = advice_of(runs).over_default
    own = runs[runs["loss"] == "triplet"].set_index("seed")
    default = own.loc[at_default(own), TEST]
    tuned = own.loc[own.reset_index().groupby("seed")[SELECTION].transform("max").to_numpy() == own[SELECTION], TEST]
    differences = (tuned - default).to_numpy()
    half = stats.t.ppf(0.975, 12) * stats.sem(differences)
    assert (gain.n, gain.absent) == (13, "")
    assert gain.difference == pytest.approx(differences.mean())
    assert (gain.ci_low, gain.ci_high) == pytest.approx((differences.mean() - half, differences.mean() + half))
    assert gain.p_value == pytest.approx(2 / 2**13, abs=2e-4)
    assert 0.03 < gain.difference < 0.05


def test_a_study_without_the_default_setting_says_so() -> None:
    runs = study()
    gain = advice_of(runs[~at_default(runs)]).over_default
    assert (gain.n, gain.absent) == (0, "the study has no run at it")


def test_default_runs_that_diverged_are_said_and_not_hidden_by_the_others() -> None:
    runs = study()
    default = at_default(runs)
    runs.loc[default & (runs["seed"] < 3), "diverged"] = True
    assert advice_of(runs).over_default.absent == "3 of 13 runs at it diverged"


def test_where_tuning_chose_the_default_setting_nothing_is_gained_over_it() -> None:
    runs = study()
    runs.loc[at_default(runs), SELECTION] = 2.0
    gain = advice_of(runs).over_default
    assert (gain.difference, gain.ci_low, gain.ci_high, gain.p_value) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("gained", [0.2, -0.03])
def test_the_gain_over_the_untrained_network_is_that_of_the_same_runs_since_epoch_0(gained: float) -> None:
    runs = study()
    gain = advice_of(runs, points_of(runs, gained)).over_untrained
    assert gain.n == 13
    assert gain.difference == pytest.approx(gained, abs=0.002)
    assert gain.ci_low < gained < gain.ci_high


def test_without_points_of_epoch_0_the_gain_over_the_untrained_network_is_absent() -> None:
    runs = study()
    for points in (None, points_of(runs, 0.2, epoch=25)):
        gain = advice_of(runs, points).over_untrained
        assert gain.n == 0
        assert gain.absent == "no score of epoch 0 is in the records here"


def test_where_nothing_was_tuned_no_loss_is_advised() -> None:
    runs = study().drop(columns=SELECTION)
    advice = advice_of(runs)
    assert (advice.loss, advice.setting) == (None, None)
    assert {advice.over_default.absent, advice.over_untrained.absent} == {"nothing was tuned"}
    assert advice.over_other.absent.startswith("no run of either loss has a validation score")


def test_a_single_seed_has_a_gain_without_an_interval() -> None:
    runs = study().query("seed == 0")
    gain = advice_of(runs, points_of(runs, 0.2)).over_untrained
    assert gain.n == 1
    assert (gain.ci_low, gain.ci_high) == (-np.inf, np.inf)
