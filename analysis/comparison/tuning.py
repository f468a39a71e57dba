"""Tuned against tuned: every seed chooses each arm's condition on its own validation data.

A seed takes part if it has tried all conditions of both arms; otherwise it is a missing pair. For every seed and arm,
the condition with the best validation score of that seed at the last epoch wins. Its test
scores give the verdict. All seeds count, and none is set apart for tuning, so the noise of tuning is inside the
interval. The same number of conditions is tried for both arms. Nothing is trained twice: the grid of the grid average
is also the search.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison.arms import ArmPair
from analysis.comparison.pairing import Condition, Floats, Seed, has_repeats
from analysis.metrics import SELECTION
from analysis.parameters import ARM, CONDITION

REPEATS = "a condition stands more than once under one seed and loss"


@dataclass(frozen=True, eq=False)
class Tuned:
    """What tuning chose on one dataset.

    Attributes:
        runs: The chosen runs: at most one for each seed and arm. A seed without a usable validation score has none.
        budget: How many conditions each arm could choose from; None where these numbers differ.
        refused: Why no verdict can be read of the chosen runs; None if one can.
        chose_epochs: Whether there was more than one number of epochs to choose from.
    """

    runs: pd.DataFrame
    budget: int | None
    refused: str | None = None
    chose_epochs: bool = False

    def counts(self, arm: str) -> list[tuple[Condition, int]]:
        """How often each condition of an arm was chosen, the most frequent first."""
        own = self.runs[self.runs[ARM] == arm]
        chosen = Counter(map(self._condition, own[list(CONDITION)].itertuples(index=False, name=None)))
        return sorted(chosen.items(), key=lambda item: (-item[1], item[0]))

    def condition(self, arm: str, seed: Seed) -> Condition | None:
        """What a seed chose for an arm; None if it could not choose."""
        own = self.runs[(self.runs[ARM] == arm) & (self.runs["seed"] == seed)]
        return self._condition(own[list(CONDITION)].iloc[0]) if len(own) else None

    def _condition(self, values: Iterable[Any]) -> Condition:
        condition = Condition._make(values)
        return condition if self.chose_epochs else condition._replace(epochs=None)


def tune(rows: pd.DataFrame, arms: ArmPair) -> Tuned:
    """Chooses a condition for every seed and arm.

    Args:
        rows: Runs of one dataset, both arms.
        arms: Which ones.
    """
    rows = rows.reset_index(drop=True)  # a table of several studies may have an index value twice
    nothing = rows.iloc[:0]
    unreadable = REPEATS if has_repeats(rows) else all_diverged(rows, arms)
    if unreadable:
        return Tuned(nothing, None, unreadable)
    budgets = {arm: _by_epochs(rows[rows[ARM] == arm]) for arm in arms}
    first, second = budgets.values()
    budget = sum(first.values())
    # The best of more conditions is better by chance alone, and so is what is trained for longer.
    if budget != sum(second.values()):
        text = ", ".join(f"{sum(each.values())} for {arm}" for arm, each in budgets.items())
        return Tuned(nothing, None, f"unequal budgets: {text}")
    if first != second:
        text = "; ".join(f"{_epochs_text(each)} for {arm}" for arm, each in budgets.items())
        return Tuned(nothing, None, f"unequal budgets: {text}")
    rows = of_complete_seeds(rows, arms, budget)
    if rows.empty:
        return Tuned(nothing, budget, "no seed has runs of all settings of both losses")
    scores = validation_scores(rows)
    described = rows[[ARM, "seed", *CONDITION]].assign(score=scores)
    usable = described[np.isfinite(scores)].sort_values(list(CONDITION), kind="stable")
    best = usable.groupby([ARM, "seed"], sort=False)["score"].idxmax()
    chosen = rows.loc[best.sort_values()]
    untuned = [arm for arm in arms if arm not in set(chosen[ARM])]
    if untuned:
        whose = f"the {untuned[0]} loss" if len(untuned) == 1 else "either loss"
        return Tuned(nothing, budget, f"no run of {whose} has a validation score, so that no seed can choose a setting")
    return Tuned(chosen, budget, chose_epochs=len(first) > 1)


def _by_epochs(rows: pd.DataFrame) -> Counter[int]:
    """How many settings of one arm are trained for each number of epochs."""
    return Counter(rows[list(CONDITION)].drop_duplicates()["epochs"].tolist())


def _epochs_text(settings: Counter[int]) -> str:
    return ", ".join(f"{count} of {epochs} epochs" for epochs, count in sorted(settings.items()))


def of_complete_seeds(rows: pd.DataFrame, arms: ArmPair, budget: int) -> pd.DataFrame:
    """The runs of the seeds that have tried every setting of both arms, diverged ones included.

    Another seed would choose among fewer settings for one arm than for the other, and the best of more is better by
    chance alone.

    Args:
        rows: Runs of one dataset, both arms, no setting twice under one seed and arm.
        arms: Which ones.
        budget: The number of settings of each arm.
    """
    tried = rows.groupby(["seed", ARM]).size().unstack(fill_value=0).reindex(columns=list(arms), fill_value=0)
    return rows[rows["seed"].isin(tried.index[tried.eq(budget).all(axis=1)])]


def validation_scores(rows: pd.DataFrame) -> pd.Series:
    """The validation score of each run; minus infinity for runs that diverged or have none: spent, and worst."""
    if SELECTION not in rows:
        return pd.Series(-np.inf, index=rows.index)
    scores = rows[SELECTION].astype(float)
    usable = np.isfinite(scores) & ~rows["diverged"].astype(bool)
    return scores.where(usable, -np.inf)


def all_diverged(rows: pd.DataFrame, arms: ArmPair) -> str | None:
    """Which arm has no run that ended well, in words; None if each has one."""
    ended = set(rows[ARM].to_numpy()[~rows["diverged"].to_numpy(dtype=bool)])
    lost = [arm for arm in arms if arm not in ended]
    if not lost:
        return None
    return f"every run of the {lost[0]} loss diverged" if len(lost) == 1 else "every run diverged"


def best_weights(count: int) -> Floats:
    """Probability [m, m] that the best of k (row k - 1) out of m is the j-th smallest (column j - 1)."""
    weights = np.zeros((count, count))
    for tried in range(1, count + 1):
        # C(j - 1, k - 1) / C(m, k), from the largest down: each is the one above times (j + 1 - k) / j.
        weights[tried - 1, -1] = tried / count
        for rank in range(count - 1, tried - 1, -1):
            weights[tried - 1, rank - 1] = weights[tried - 1, rank] * (rank + 1 - tried) / rank
    return weights
