from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import verdicts
from analysis.comparison.arms import ArmPair
from analysis.comparison.budget import BudgetCurve, budget_curve
from analysis.comparison.comparisons import comparisons
from analysis.metrics import SELECTION, TUNED
from analysis.parameters import CONDITION
from analysis.report.document.assembly import report, summary
from analysis.report.renderers.markdown import markdown
from analysis.report.renderers.terminal import terminal
from tests.analysis.findings import found
from tests.analysis.studies import simulated_runs

ARMS = ArmPair("triplet", "contrastive")
MARGINS = (0.2, 0.5, 1.0)
TEST = "test/map_at_r"
MOVES = "the tuned difference still moves with the number of settings"


def study(seed: int = 0, margins: tuple[float, ...] = MARGINS, **options: object) -> pd.DataFrame:
    """Settings with scores of their own, validation and test apart, some of them tied."""
    rng = np.random.default_rng(seed)
    runs = simulated_runs(rng, seeds=9, margins=margins, run_noise=0.03, **options)  # type: ignore[arg-type]
    runs[SELECTION] = (runs[SELECTION] + rng.normal(0, 0.02, len(runs))).round(2)
    return runs


def curve_of(runs: pd.DataFrame, budget: int = 6) -> BudgetCurve:
    curve = budget_curve(runs.sample(frac=1, random_state=0), ARMS, budget)
    assert curve is not None
    return curve


def best_of(settings: tuple[dict, ...]) -> float:
    """Test score of the setting that tuning chooses; 0 where none ended."""
    ended = [one for one in settings if not one["diverged"]]
    return float(max(ended, key=lambda one: one[SELECTION])[TEST]) if ended else 0.0


def brute_force(runs: pd.DataFrame, loss: str, tried: int, budget: int) -> list[float]:
    """For each seed the mean over all subsets of so many settings."""
    expected = []
    for _, own in runs[runs["loss"] == loss].groupby("seed"):
        settings = own.sort_values(list(CONDITION)).to_dict("records")
        if len(settings) < budget:
            continue
        expected.append(float(np.mean([best_of(subset) for subset in itertools.combinations(settings, tried)])))
    return expected


def check_against_all_subsets(runs: pd.DataFrame, budget: int) -> None:
    curve = curve_of(runs, budget)
    for tried in range(1, budget + 1):
        first, second = (np.array(brute_force(runs, loss, tried, budget)) for loss in ARMS)
        row = curve.differences.set_index("settings").loc[tried]
        assert row["mean"] == pytest.approx((first - second).mean())
        half = stats.t.ppf(0.975, len(first) - 1) * stats.sem(first - second)
        assert (row["low"], row["high"]) == pytest.approx((row["mean"] - half, row["mean"] + half))
        assert row["n"] == len(first)
        scores = curve.scores[curve.scores["settings"] == tried].set_index("loss")["mean"]
        assert (scores["triplet"], scores["contrastive"]) == pytest.approx((first.mean(), second.mean()))


def test_sentence_6_best_so_far_is_the_mean_over_all_orders_of_trying_and_over_seeds() -> None:
    check_against_all_subsets(study(3), 6)


def test_sentence_6_and_23_a_setting_that_diverged_is_spent_and_counts_as_zero() -> None:
    runs = study(4)
    runs.loc[runs.index % 7 == 0, "diverged"] = True
    check_against_all_subsets(runs, 6)


def test_sentence_6_a_seed_that_lacks_a_setting_is_left_out_as_in_tuning() -> None:
    runs = study(4)
    check_against_all_subsets(runs[~((runs["seed"] == 3) & (runs["margin"] == 0.5))], 6)


def test_sentence_6_ties_go_to_the_first_in_order_as_in_tuning() -> None:
    runs = study(5)
    runs[SELECTION] = 0.5
    check_against_all_subsets(runs, 6)


def test_sentence_6_with_all_settings_it_is_the_tuned_difference() -> None:
    runs = study(6)
    runs.loc[(runs["loss"] == "triplet") & (runs["seed"] == 2), "diverged"] = True
    table = verdicts(runs)
    tuned = table[(table["estimand"] == TUNED) & (table["metric"] == "map_at_r")].iloc[0]
    last = curve_of(runs).differences.iloc[-1]
    assert last["n"] == tuned["n"] == 8
    expected = (tuned["difference"], tuned["ci_low"], tuned["ci_high"])
    assert (last["mean"], last["low"], last["high"]) == pytest.approx(expected)


def test_sentence_6_one_setting_makes_a_curve_of_one_point_that_does_not_move() -> None:
    runs = study(7, margins=(1.0,), miners=("all",))
    check_against_all_subsets(runs, 1)
    assert not curve_of(runs, 1).still_moves


def test_sentence_6_one_seed_has_no_band_and_shows_no_move() -> None:
    curve = curve_of(study(8).query("seed == 0"))
    assert curve.differences[["low", "high"]].isna().all().all()
    assert not curve.still_moves


def test_no_seed_that_can_choose_makes_no_curve() -> None:
    assert budget_curve(study().assign(diverged=True), ARMS, 6) is None
    assert budget_curve(study().drop(columns=TEST), ARMS, 6) is None


def rising(gain: float) -> pd.DataFrame:
    """One margin is the best of the triplet loss by `gain`, and every seed knows it; all else is equal."""
    runs = simulated_runs(np.random.default_rng(9), seeds=13, margins=MARGINS, run_noise=0.0, pair_noise=0.001)
    best = (runs["loss"] == "triplet") & (runs["margin"] == 0.5) & (runs["miner"] == "all")
    runs.loc[best, [SELECTION, TEST]] += gain
    return runs


def test_sentence_6_the_report_says_where_the_budget_decides() -> None:
    # The best of 3 of 6 settings is that one with probability a half: from 3 to 6 settings the difference gains half.
    (comparison,) = comparisons(rising(0.1))
    curve = comparison.budget_curve
    assert curve is not None
    assert curve.change == pytest.approx(0.05)
    assert curve.still_moves
    findings = found("s", rising(0.1))
    assert f"On digits {MOVES}: MAP@R +" in markdown(report(findings))
    text = terminal(summary(findings))
    assert "change +5.00 pt, 95% interval [+5.00, +5.00]" in text
    assert "The budget decides its size, not its direction, the same from the best of 3 on." in text


def test_sentence_6_a_difference_that_turns_with_the_budget_is_said_to_hang_on_it() -> None:
    runs = rising(0.1)
    others = (runs["loss"] == "triplet") & ~((runs["margin"] == 0.5) & (runs["miner"] == "all"))
    runs.loc[others, TEST] -= 0.15
    text = terminal(summary(found("s", runs)))
    assert "The budget decides: more settings may change the tuned verdicts." in text


def test_sentence_6_a_direction_is_kept_where_the_band_and_not_each_interval_alone_keeps_it() -> None:
    bounds = {"low": 0.01, "high": 0.05, "band_high": 0.06}
    tried = pd.DataFrame(
        {"settings": range(1, 5), "n": 8, "mean": 0.03, **bounds, "band_low": [-0.1, 0.001, 0.002, 0.0]}
    )
    curve = BudgetCurve(tried, tried, 0.02, 0.01, 0.03)
    assert not curve.keeps_direction
    kept = tried.assign(band_low=tried["band_low"] + 0.001)
    assert BudgetCurve(kept, kept, 0.02, 0.01, 0.03).keeps_direction


def test_sentence_6_a_move_within_the_region_of_practical_equivalence_is_none() -> None:
    (comparison,) = comparisons(rising(0.015))
    curve = comparison.budget_curve
    assert curve is not None
    assert curve.change_low > 0
    assert not curve.still_moves
    assert MOVES not in markdown(report(found("s", rising(0.015))))


def test_sentence_6_a_move_that_may_be_noise_is_none() -> None:
    runs = study(10, effect=0.0)
    swaying = (runs["loss"] == "triplet") & (runs["margin"] == 0.5) & (runs["miner"] == "all")
    runs.loc[swaying, SELECTION] = 1.0
    runs.loc[swaying, TEST] += np.where(runs.loc[swaying, "seed"] % 2, 0.5, -0.4)
    curve = curve_of(runs)
    assert abs(curve.change) > 0.01
    assert curve.change_low < 0 < curve.change_high
    assert not curve.still_moves


def test_sentence_6_the_expected_best_of_k_is_that_of_opda() -> None:
    """Where settings are chosen by the score that is read, and for each seed by itself: opda knows no seeds."""
    nonparametric = pytest.importorskip("opda.nonparametric")
    runs = study(11)
    runs[SELECTION] = runs[TEST]
    tried = range(1, 7)
    for loss, own in runs.groupby("loss"):
        seeds = [nonparametric.EmpiricalDistribution(one).u_tuning_curve(tried) for _, one in own.groupby("seed")[TEST]]
        scores = curve_of(runs).scores
        assert scores.loc[scores["loss"] == loss, "mean"].tolist() == pytest.approx(np.mean(seeds, axis=0).tolist())
