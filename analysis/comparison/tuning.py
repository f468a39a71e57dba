"""Tuned against tuned: every seed chooses each arm's condition on its own validation data.

A seed takes part if it has tried all conditions of both arms; otherwise it is a missing pair. For every seed and arm,
the condition with the best validation score of that seed at the last epoch wins. Its test
scores give the verdict. All seeds count, and none is set apart for tuning, so the noise of tuning is inside the
interval. The same number of conditions is tried for both arms: those of a grid, which is also that of the grid average,
or as many as each seed drew for itself. Where halving stopped some of them, the budget is what was tried, and of both
arms equally many go on to the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison.arms import ArmPair
from analysis.comparison.levels import NUMERIC, Ends, range_words
from analysis.comparison.pairing import OPEN, Condition, Floats, Seed, has_repeats, value_words
from analysis.comparison.settings import (
    halves,
    is_drawn,
    of_complete_seeds,
    of_even_seeds,
    settings_by_epochs,
    whole_runs,
)
from analysis.metrics import SELECTION
from analysis.parameters import ARM, CONDITION, Value

REPEATS = "a condition stands more than once under one seed and loss"


@dataclass(frozen=True)
class ChosenRange:
    """The choices of some seeds for one arm.

    Attributes:
        seeds: How many have chosen.
        margin: The least and the largest margin that one chose.
        lr: The least and the largest learning rate.
        miner: The most frequent miner; of equals the first in the alphabet.
        miner_seeds: How many chose it.
        others: What was chosen of the other hyperparameters that had several values, in words.
    """

    seeds: int
    margin: Ends
    lr: Ends
    miner: str
    miner_seeds: int
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, chosen: pd.DataFrame, varied: Collection[str]) -> ChosenRange:
        """Those of the chosen runs of one arm, at least one.

        Args:
            chosen: One a seed.
            varied: The hyperparameters with several values to choose from.
        """
        miner, count = _most_frequent(chosen["miner"])
        others = tuple(_chosen_words(name, chosen[name]) for name in OPEN if name in varied)
        return cls(len(chosen), _range(chosen["margin"]), _range(chosen["lr"]), str(miner), count, others)

    def __str__(self) -> str:
        """In words."""
        numbers = f"margin {range_words(self.margin)}, lr {range_words(self.lr)}"
        return ", ".join((numbers, f"miner {self.miner} {self.miner_seeds} of {self.seeds}", *self.others))


@dataclass(frozen=True, eq=False)
class Tuned:
    """What tuning chose on one dataset.

    Attributes:
        runs: The chosen runs: at most one for each seed and arm. A seed without a usable validation score has none.
        budget: How many conditions each seed tried of each arm, those that halving stopped included; None where these
            numbers differ.
        refused: Why no verdict can be read of the chosen runs; None if one can.
        varied: The hyperparameters of each arm with several values to choose from.
        drawn: Whether seeds drew conditions for themselves. Then few or none is chosen twice; `chosen_range` says more.
    """

    runs: pd.DataFrame
    budget: int | None
    refused: str | None = None
    varied: Mapping[str, frozenset[str]] = field(default_factory=dict)
    drawn: bool = False

    def chosen_range(self, arm: str) -> ChosenRange:
        """From where to where the choices of an arm go. It must have some."""
        return ChosenRange.of(self.runs[self.runs[ARM] == arm], self._of(arm))

    def counts(self, arm: str) -> list[tuple[Condition, int]]:
        """How often each condition of an arm was chosen, the most frequent first."""
        own = self.runs[self.runs[ARM] == arm]
        values = own[list(CONDITION)].itertuples(index=False, name=None)
        chosen = Counter(self._condition(arm, each) for each in values)
        return sorted(chosen.items(), key=lambda item: (-item[1], item[0]))

    def condition(self, arm: str, seed: Seed) -> Condition | None:
        """What a seed chose for an arm; None if it could not choose."""
        own = self.runs[(self.runs[ARM] == arm) & (self.runs["seed"] == seed)]
        return self._condition(arm, own[list(CONDITION)].iloc[0]) if len(own) else None

    def _of(self, arm: str) -> frozenset[str]:
        return self.varied.get(arm, frozenset())

    def _condition(self, arm: str, values: Iterable[Any]) -> Condition:
        return Condition._make(
            value if name not in OPEN or name in self._of(arm) else None
            for name, value in zip(CONDITION, values, strict=True)
        )


def tune(rows: pd.DataFrame, arms: ArmPair, part: bool = False) -> Tuned:
    """Chooses a condition for every seed and arm, among the runs that were trained to their last epoch.

    Args:
        rows: Runs of one dataset, both arms, stopped ones included.
        arms: Which ones.
        part: Whether these are a part of what was searched. Seeds that drew for themselves may have drawn different
            numbers of such conditions; then one takes part if it has as many of both arms.
    """
    tried = rows.reset_index(drop=True)  # a table of several studies may have an index value twice
    rows = whole_runs(tried)
    nothing = rows.iloc[:0]
    unreadable = REPEATS if has_repeats(rows) else all_diverged(rows, arms)
    if unreadable:
        return Tuned(nothing, None, unreadable)
    drawn = bool(is_drawn(tried).any())
    budgets = {arm: settings_by_epochs(tried[tried[ARM] == arm]) for arm in arms}
    finished = {arm: sum(settings_by_epochs(rows[rows[ARM] == arm]).values()) for arm in arms} if halves(tried) else {}
    unequal = _unequal(budgets) or _unequally_finished(finished, budgets)
    if unequal and not (part and drawn):
        return Tuned(nothing, None, f"unequal budgets: {unequal}", drawn=drawn)
    epochs = budgets[arms.first]
    budget = sum(epochs.values())
    if part and drawn:
        rows = of_even_seeds(rows, arms)
    else:
        rows = rows[rows["seed"].isin(of_complete_seeds(tried, arms, budget)["seed"])]
        if finished:
            rows = of_complete_seeds(rows, arms, finished[arms.first])
    if rows.empty:
        return Tuned(nothing, budget, "no seed has runs of all settings of both losses", drawn=drawn)
    chosen = chosen_runs(rows)
    untuned = [arm for arm in arms if arm not in set(chosen[ARM])]
    if untuned:
        whose = f"the {untuned[0]} loss" if len(untuned) == 1 else "either loss"
        reason = f"no run of {whose} has a validation score, so that no seed can choose a setting"
        return Tuned(nothing, budget, reason, drawn=drawn)
    varied = {
        arm: frozenset(name for name in CONDITION if own[name].nunique() > 1)
        for arm, own in ((arm, tried[tried[ARM] == arm]) for arm in arms)
    }
    return Tuned(chosen, budget, varied=varied, drawn=drawn)


def chosen_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """The run with the best validation score of each arm and seed that has one; ties go to the first condition.

    Args:
        rows: Runs that were trained to their last epoch, no index value twice.
    """
    scores = validation_scores(rows)
    described = rows[[ARM, "seed", *CONDITION]].assign(score=scores)
    usable = described[np.isfinite(scores)].sort_values(list(CONDITION), kind="stable")
    best = usable.groupby([ARM, "seed"], sort=False)["score"].idxmax()
    chosen: pd.DataFrame = rows.loc[best.sort_values()]
    return chosen


def _unequal(budgets: Mapping[str, Counter[int]]) -> str | None:
    """How two arms differ in the settings that a seed tries, in words; None if they do not.

    The best of more conditions is better by chance alone, and so is what is trained for longer.
    """
    first, second = budgets.values()
    if sum(first.values()) != sum(second.values()):
        return ", ".join(f"{sum(each.values())} for {arm}" for arm, each in budgets.items())
    if first != second:
        return "; ".join(f"{_epochs_text(each)} for {arm}" for arm, each in budgets.items())
    return None


def _unequally_finished(finished: Mapping[str, int], budgets: Mapping[str, Counter[int]]) -> str | None:
    """How two arms differ in the settings that halving lets go on to the end, in words; None if they do not."""
    if len(set(finished.values())) < 2:
        return None
    return ", ".join(
        f"{count} of {sum(budgets[arm].values())} trained to the end for {arm}" for arm, count in finished.items()
    )


def _epochs_text(settings: Counter[int]) -> str:
    return ", ".join(f"{count} of {epochs} epochs" for epochs, count in sorted(settings.items()))


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


def _most_frequent(values: pd.Series) -> tuple[Value, int]:
    """The most frequent value, of equals the first in order, and how often it stands there."""
    return min(Counter(values.tolist()).items(), key=lambda item: (-item[1], item[0]))


def _chosen_words(name: str, values: pd.Series) -> str:
    """What seeds chose of a hyperparameter: a range of numbers, or the most frequent choice."""
    if name == "epochs":
        return f"{range_words(_range(values))} epochs"
    if name in NUMERIC:
        return f"{name.replace('_', ' ')} {range_words(_range(values))}"
    value, count = _most_frequent(values)
    return f"{value_words(name, value)} {count} of {len(values)}"


def _range(values: pd.Series) -> Ends:
    return float(values.min()), float(values.max())
