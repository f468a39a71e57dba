"""Whether the range of a hyperparameter ends where an arm still rises, so that its best value may lie outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analysis.comparison.arms import ArmPair
from analysis.comparison.pairing import Floats
from analysis.comparison.tuning import of_complete_seeds, validation_scores
from analysis.parameters import ARM
from analysis.statistics.power import ALPHA, LEAST_SEEDS

NUMERIC = ("margin", "lr")


@dataclass(frozen=True)
class Edge:
    """A hyperparameter whose best level is the last one of its range.

    Attributes:
        arm: Whose.
        parameter: Which one.
        level: The best level.
        rises: Whether it is shown to be better than the next level inward.
        wider: Levels to try beyond it, in steps like the last one.
    """

    arm: str
    parameter: str
    level: float
    rises: bool
    wider: tuple[float, ...]

    def __str__(self) -> str:
        """Where the range ends, and what to try."""
        levels = " and ".join(f"{float(f'{level:.3g}'):g}" for level in self.wider)
        return f"the range of {self.parameter} ends at {self.level:g} where {self.arm} still rises: try {levels}"


def find_edges(rows: pd.DataFrame, arms: ArmPair, budget: int) -> list[Edge]:
    """The hyperparameters whose best level is an extreme one.

    A level's score is the mean over seeds of each seed's best validation score at that level. An arm still rises at an
    extreme level if that is the best of all levels and exceeds the next level inward: one-sided paired t test over
    seeds, Bonferroni over all extremes tested on the dataset. A level at which every run diverged is a level like any
    other, and the worst. Fewer seeds than a verdict needs show nothing.

    Args:
        rows: Runs of one dataset, both arms.
        arms: Which ones.
        budget: The number of settings of each arm; only seeds that have tried them all count.
    """
    rows = of_complete_seeds(rows.reset_index(drop=True), arms, budget)
    if rows["seed"].nunique() < LEAST_SEEDS:
        return []
    scores = validation_scores(rows).clip(lower=0.0)  # a diverged run counts as the least that MAP@R can be
    rows = rows[[ARM, "seed", *NUMERIC]]  # the many other columns take time to copy
    tables = {
        (arm, parameter): _by_level(rows[rows[ARM] == arm], scores, parameter)
        for arm in arms
        for parameter in NUMERIC
        if rows.loc[rows[ARM] == arm, parameter].nunique() > 1
    }
    edges = []
    for (arm, parameter), table in tables.items():
        best = int(np.argmax(table.mean(axis=0).to_numpy()))
        if 0 < best < table.shape[1] - 1:
            continue
        inward = best + 1 if best == 0 else best - 1
        p_value = _p_greater(table.iloc[:, best].to_numpy(float) - table.iloc[:, inward].to_numpy(float))
        level, next_level = float(table.columns[best]), float(table.columns[inward])
        ratio = level / next_level
        # Two extremes of each hyperparameter of each arm could have been the best.
        rises = p_value * 2 * len(tables) <= ALPHA
        edges.append(Edge(arm, parameter, level, rises, (level * ratio, level * ratio**2)))
    return edges


def _by_level(rows: pd.DataFrame, scores: pd.Series, parameter: str) -> pd.DataFrame:
    """Each seed's best score by level, [seeds, levels], levels ascending."""
    return scores[rows.index].groupby([rows["seed"], rows[parameter]]).max().unstack().sort_index(axis=1)


def _p_greater(differences: Floats) -> float:
    """One-sided p-value of the paired t test that the mean is above zero; 1 for fewer than two seeds."""
    if len(differences) < 2:
        return 1.0
    if np.ptp(differences) == 0:
        return 0.0 if differences[0] > 0 else 1.0
    t_value = differences.mean() / (differences.std(ddof=1) / np.sqrt(len(differences)))
    return float(special.stdtr(len(differences) - 1, -t_value))
