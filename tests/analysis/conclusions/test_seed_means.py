"""Means over seeds are those of the verdicts, with Student's intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.comparison.comparisons import comparisons
from analysis.conclusions.seed_means import arm_means, setting_means
from analysis.conclusions.verdict_table import verdicts
from analysis.metrics import AT_DEFAULT, BY_NAME, GRID_AVERAGE, SCORE, TUNED, Estimand
from tests.analysis.fabricated import MARGINS, SEEDS, fabricated_runs
from tests.analysis.searched import searched_runs


@pytest.mark.parametrize("estimand", [TUNED, GRID_AVERAGE, AT_DEFAULT])
def test_the_means_of_both_arms_are_those_of_the_verdict_table(estimand: Estimand) -> None:
    runs = fabricated_runs(np.random.default_rng(0), datasets=1)
    table = verdicts(runs)
    own = table[table["estimand"] == estimand].set_index("metric")
    (comparison,) = comparisons(runs)
    means = arm_means(comparison, estimand)
    for column, arm in (("first_mean", comparison.arms.first), ("second_mean", comparison.arms.second)):
        found = means[means["loss"] == arm].set_index("metric")["mean"]
        np.testing.assert_allclose(found[own.index], own[column], rtol=1e-12)


def test_an_interval_is_students_over_the_seeds() -> None:
    runs = fabricated_runs(np.random.default_rng(1), datasets=1)
    (comparison,) = comparisons(runs)
    means = arm_means(comparison, GRID_AVERAGE).set_index(["loss", "metric"])
    for metric, towards, back in ((SCORE, np.asarray, np.asarray), (BY_NAME["grad_norm"], np.log, np.exp)):
        by_run = runs.assign(value=towards(runs[metric.column]))
        for arm, own in by_run.groupby("loss"):
            values = own.groupby("seed")["value"].mean()
            expected = stats.t.interval(0.95, len(values) - 1, values.mean(), values.sem())
            found = means.loc[(arm, metric.name), ["mean", "low", "high"]].to_numpy(float)
            np.testing.assert_allclose(found, back(np.array([values.mean(), *expected])), rtol=1e-9)


def test_an_arm_of_a_single_seed_has_no_interval() -> None:
    runs = fabricated_runs(np.random.default_rng(0), datasets=1)
    (comparison,) = comparisons(runs[runs["seed"] == 0])
    means = arm_means(comparison, GRID_AVERAGE)
    assert set(means["n"]) == {1}
    assert means[["low", "high"]].isna().all(axis=None)


def test_each_setting_of_a_grid_has_its_mean() -> None:
    runs = fabricated_runs(np.random.default_rng(0), datasets=1)
    means = setting_means(runs, [SCORE])
    assert len(means) == 2 * len(MARGINS)
    for row in means.itertuples():
        own = runs[(runs["loss"] == row.loss) & (runs["margin"] == row.margin)]
        assert row.mean == pytest.approx(own[SCORE.column].mean())
        assert row.n == SEEDS


def test_where_seeds_drew_their_margins_a_setting_is_a_fifth_of_the_range() -> None:
    runs = searched_runs(np.random.default_rng(0), miners=("all",)).assign(lr=1e-3)
    means = setting_means(runs, [SCORE])
    assert means.groupby("loss")["margin"].nunique().to_dict() == {"contrastive": 5, "triplet": 5}
    assert means["n"].min() > 1
    diverged = runs.assign(diverged=runs["loss"] == "triplet")
    assert set(setting_means(diverged, [SCORE])["loss"]) == {"contrastive"}
