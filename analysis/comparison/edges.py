"""Whether the range of a hyperparameter ends where an arm still rises, so that its best value may lie outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analysis.comparison.arms import ArmPair
from analysis.comparison.levels import NUMERIC, PARTS, Levels, levels_of, range_words, rounded
from analysis.comparison.pairing import Floats
from analysis.comparison.settings import halves, longest_runs, of_complete_seeds, whole_runs
from analysis.comparison.tuning import chosen_runs, validation_scores
from analysis.parameters import ARM, CONDITION
from analysis.statistics.power import ALPHA, LEAST_SEEDS

_STEP = 10.0  # to the next level to try, where the last one has zero beside it
_LEAST_AT_LEVEL = 6  # seeds that have tried a level, or both of two, where each drew its own


@dataclass(frozen=True)
class Edge:
    """A hyperparameter whose best level is the last one of its range.

    Attributes:
        arm: Whose.
        parameter: Which one.
        level: The best level; of a range that seeds drew from, the end.
        rises: Whether it is shown to be better than the next level inward.
        wider: Levels to try beyond it, in steps like the last one, or of a fifth of the range.
        inner: Where the best fifth of a range begins; None for a level of a grid.
    """

    arm: str
    parameter: str
    level: float
    rises: bool
    wider: tuple[float, ...]
    inner: float | None = None

    def __str__(self) -> str:
        """Where the range ends, and what to try."""
        end = f"{self.level:g}" if self.inner is None else rounded(self.level)
        levels = " and ".join(map(rounded, self.wider))
        return f"the range of {self.parameter} ends at {end} where {self.arm} still rises: try {levels}"

    @property
    def note(self) -> str:
        """What is to be known of an end where no rise is shown."""
        if self.inner is None:
            return f"its best {self.parameter}, {self.level:g}, is the end of the range, where no rise is shown"
        fifth = range_words((min(self.inner, self.level), max(self.inner, self.level)), digits=3)
        return f"its best fifth of the range of {self.parameter}, {fifth}, is at an end, where no rise is shown"


def find_edges(tried: pd.DataFrame, arms: ArmPair, budget: int) -> list[Edge]:
    """The hyperparameters whose best level is an extreme one.

    A level's score is the mean over seeds of each seed's best validation score at that level. An arm still rises at an
    extreme level if that is the best of all levels and exceeds the next level inward: one-sided paired t test over
    seeds, Bonferroni over all extremes tested on the dataset. A level at which every run diverged is a level like any
    other, and the worst. Fewer seeds than a verdict needs show nothing.

    Where seeds drew from a range, its fifths are the levels. A seed without a setting in one of the two that are
    compared is left out there, at least 6 must remain, and no level counts that fewer have tried.

    Where halving stopped settings, only an early rung has scores of them all, and what learns fast there need not be
    best at the end. So what the seeds chose is counted: an arm still rises at the extreme level that most seeds chose,
    if more did than its share of the settings tried lets expect (one-sided binomial test, corrected likewise).

    Args:
        tried: Runs of one dataset, both arms, stopped ones included.
        arms: Which ones.
        budget: The number of settings of each arm; only seeds that have tried them all count.
    """
    rows = of_complete_seeds(tried.reset_index(drop=True), arms, budget)
    if rows["seed"].nunique() < LEAST_SEEDS:
        return []
    if halves(rows):
        return _where_most_seeds_chose(rows, arms)
    scores = validation_scores(rows).clip(lower=0.0)  # a diverged run counts as the least that MAP@R can be
    rows = rows[[ARM, "seed", "search", *CONDITION]]  # the many other columns take time to copy
    searched = _searched(rows, arms)
    edges = []
    for arm, parameter, own, levels in searched:
        table = _by_level(own, scores, parameter, levels)
        best = _best(table)
        if not _is_end(best, levels):
            continue
        inward = best + 1 if best == 0 else best - 1
        differences = table.iloc[:, best].to_numpy(float) - table.iloc[:, inward].to_numpy(float)
        p_value = _p_greater(differences[~np.isnan(differences)])
        # Two extremes of each hyperparameter of each arm could have been the best.
        edges.append(_edge(arm, parameter, levels, best, rises=p_value * 2 * len(searched) <= ALPHA))
    return edges


def _where_most_seeds_chose(rows: pd.DataFrame, arms: ArmPair) -> list[Edge]:
    """The edges of a search that halved."""
    chosen = chosen_runs(whole_runs(rows))
    searched = _searched(longest_runs(rows), arms)
    edges = []
    for arm, parameter, own, levels in searched:
        last = len(levels.ranges) - 1
        choices = levels.positions(chosen.loc[chosen[ARM] == arm, parameter])
        counts = np.bincount(choices, minlength=last + 1)
        best = int(np.argmax(counts))
        if not _is_end(best, levels) or (counts == counts[best]).sum() > 1:
            continue
        share = float(np.mean(levels.positions(own[parameter]) == best))
        p_value = float(special.bdtrc(counts[best] - 1, len(choices), share))
        rises = len(choices) >= LEAST_SEEDS and p_value * 2 * len(searched) <= ALPHA
        edges.append(_edge(arm, parameter, levels, best, rises))
    return edges


def _searched(rows: pd.DataFrame, arms: ArmPair) -> list[tuple[str, str, pd.DataFrame, Levels]]:
    """Each numeric hyperparameter of each arm that has several values, with the arm's runs and its levels."""
    searched = []
    for arm in arms:
        own = rows[rows[ARM] == arm]
        searched += [(arm, name, own, levels_of(own, name)) for name in NUMERIC if own[name].nunique() > 1]
    return searched


def _is_end(position: int, levels: Levels) -> bool:
    """Whether a level is the first or the last, and another could lie beyond it: below zero there is none."""
    low, _ = levels.ranges[position]
    return position == len(levels.ranges) - 1 or (position == 0 and low > 0)


def _edge(arm: str, parameter: str, levels: Levels, best: int, rises: bool) -> Edge:
    low, high = levels.ranges[best]
    if low < high:
        level, inner = (low, high) if best == 0 else (high, low)
        ratio = (levels.ranges[-1][1] / levels.ranges[0][0]) ** (1 / PARTS)
        ratio = 1 / ratio if best == 0 else ratio
    else:
        level, inner = low, None
        inward, _ = levels.ranges[best + 1 if best == 0 else best - 1]
        ratio = level / inward if inward else _STEP
    return Edge(arm, parameter, level, rises, (level * ratio, level * ratio**2), inner)


def _by_level(rows: pd.DataFrame, scores: pd.Series, parameter: str, levels: Levels) -> pd.DataFrame:
    """Each seed's best score by level, [seeds, levels]; not a number where it drew none there."""
    positions = pd.Series(levels.positions(rows[parameter]), index=rows.index)
    table = scores[rows.index].groupby([rows["seed"], positions]).max().unstack()
    return table.reindex(columns=range(len(levels.ranges)))


def _best(table: pd.DataFrame) -> int:
    """The level with the highest mean over seeds. Those that few seeds have tried are passed over."""
    if table.notna().all(axis=None):
        return int(np.argmax(table.mean(axis=0).to_numpy()))
    # Each seed about its own mean: else the level that good seeds happen to have tried would be best.
    means = table.sub(table.mean(axis=1), axis=0).mean(axis=0)
    often = table.notna().sum(axis=0) >= _LEAST_AT_LEVEL
    return int(np.argmax(means.where(often, -np.inf).to_numpy()))


def _p_greater(differences: Floats) -> float:
    """One-sided p-value of the paired t test that the mean is above zero; 1 for too few seeds."""
    if len(differences) < _LEAST_AT_LEVEL:
        return 1.0
    if np.ptp(differences) == 0:
        return 0.0 if differences[0] > 0 else 1.0
    t_value = differences.mean() / (differences.std(ddof=1) / np.sqrt(len(differences)))
    return float(special.stdtr(len(differences) - 1, -t_value))
