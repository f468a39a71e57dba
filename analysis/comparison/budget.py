"""What tuning with fewer settings would have found: the tuned difference for the best of k of them, drawn at random.

Where that difference still moves at the last k, the number of settings decides the verdict, and not the arms alone.

Intervals and bands are over seeds. Settings of one seed share its split, weights and batches, so that its curve is one
observation, and bands for independent draws (Lourie et al. 2024, the package `opda`) do not fit runs pooled over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.comparison.arms import ArmPair
from analysis.comparison.settings import of_complete_seeds
from analysis.comparison.tuning import best_weights, validation_scores
from analysis.metrics import SCORE
from analysis.parameters import ARM, CONDITION
from analysis.statistics.intervals import paired_t_interval, simultaneous_t_quantile, with_t_intervals


@dataclass(frozen=True, eq=False)
class BudgetCurve:
    """The best of k settings, for k = 1 to m, averaged over seeds.

    Attributes:
        scores: Expected test MAP@R of each arm: columns ``loss``, ``settings`` (k), ``n`` (seeds), ``mean``, ``low``
            and ``high`` (95% t interval over seeds at this k), ``band_low`` and ``band_high`` (95% band that holds this
            curve at all k at once). The bounds are NaN for a single seed.
        differences: First arm minus second, paired by seed: the same columns without ``loss``.
        change: By how much the difference at m exceeds that at half of m, rounded up: its mean over seeds.
        change_low: Lower end of its 95% paired t interval.
        change_high: Upper end.
        rope: Half-width of the region of practical equivalence of test MAP@R.
    """

    scores: pd.DataFrame
    differences: pd.DataFrame
    change: float
    change_low: float
    change_high: float
    rope: float = SCORE.rope

    @property
    def budget(self) -> int:
        """The number of settings of each arm, m."""
        return len(self.differences)

    @property
    def still_moves(self) -> bool:
        """Whether the difference is shown to move over the second half of the settings, by more than the ROPE."""
        return abs(self.change) > self.rope and (self.change_low > 0 or self.change_high < 0)

    @property
    def keeps_direction(self) -> bool:
        """Whether the band of the difference has one sign over the second half of the settings."""
        half = self.differences.iloc[half_of(self.budget) - 1 :]
        return bool((half["band_low"] > 0).all() or (half["band_high"] < 0).all())


def half_of(budget: int) -> int:
    """Half of a number of settings, rounded up."""
    return (budget + 1) // 2


def budget_curve(rows: pd.DataFrame, arms: ArmPair, budget: int, rope: float = SCORE.rope) -> BudgetCurve | None:
    """The tuned difference in test MAP@R for the best of k settings, for every k.

    For each seed and arm the setting with the best validation score among k wins, as in `tune`: ties go to the first in
    order; a diverged setting is spent and worst, and its test score counts as 0; only seeds that have tried all
    settings count. The expectation over all choices of k is exact.

    Args:
        rows: Runs of one dataset, no setting twice under one seed and arm.
        arms: Which ones.
        budget: The number of settings of each arm.
        rope: Half-width of the region of practical equivalence.

    Returns:
        The curve over the seeds that can choose a setting for both arms; None if there is none.
    """
    rows = of_complete_seeds(rows, arms, budget)
    first, second = (_expected_scores(rows[rows[ARM] == arm], budget) for arm in arms)
    first, second = first.align(second, join="inner", axis=0)
    complete = (first + second).notna().all(axis=1)
    if not complete.any():
        return None
    first, second = first[complete], second[complete]
    differences = first - second
    moved = (differences[budget] - differences[half_of(budget)]).to_numpy()
    scores = pd.concat([_over_seeds(own).assign(**{ARM: arm}) for arm, own in zip(arms, (first, second), strict=True)])
    return BudgetCurve(
        scores.reset_index(drop=True), _over_seeds(differences), float(moved.mean()), *paired_t_interval(moved), rope
    )


def _expected_scores(rows: pd.DataFrame, budget: int) -> pd.DataFrame:
    """Expected test score of the best of k of one arm's settings, [seeds, k]; seeds that cannot choose are left out."""
    chosen_by = validation_scores(rows)
    usable = np.isfinite(chosen_by)
    scores = rows[SCORE.column] if SCORE.column in rows else pd.Series(np.nan, index=rows.index)
    # The last in order comes first among equals, so that the first in order is the best of them.
    ordered = rows[["seed", *CONDITION]].assign(chosen_by=chosen_by, usable=usable, score=scores.where(usable, 0.0))
    ordered = ordered.sort_values(list(CONDITION), ascending=False).sort_values("chosen_by", kind="stable")
    weights = best_weights(budget)
    expected = {
        seed: weights @ own["score"].to_numpy(float) for seed, own in ordered.groupby("seed") if own["usable"].any()
    }
    return pd.DataFrame.from_dict(expected, orient="index", columns=range(1, budget + 1), dtype=float)


def _over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over the seeds of a table [seeds, k], with its 95% t intervals and its simultaneous 95% band."""
    rows = pd.DataFrame({"settings": table.columns, "n": len(table), "mean": table.mean().to_numpy()})
    rows = with_t_intervals(rows.assign(sem=table.sem().to_numpy()))
    half = simultaneous_t_quantile(table.to_numpy(float)) * rows["sem"]
    return rows.assign(band_low=rows["mean"] - half, band_high=rows["mean"] + half).drop(columns="sem")
