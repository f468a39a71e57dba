"""Tuned against tuned: each loss with the hyperparameters that it does best with on validation data.

Some seeds tune, the others confirm. The same number of settings is tried for both losses; the one with the best mean
validation score over the tuning seeds, at the last epoch, is what the test scores of the other seeds are read of.
Nothing is trained twice: the grid that the grid average uses is the search.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.pairing import CONDITION, LOSSES

SELECTION = "val/map_at_r"
TUNING_SEEDS = 3

Condition = tuple[str, float, float]


class UnequalBudgetsError(ValueError):
    """One loss was given more settings to choose from than the other: the best of more is better by chance."""


@dataclass(frozen=True)
class Tuned:
    """What tuning chose on one dataset.

    Attributes:
        conditions: (miner, margin, learning rate) by loss.
        budget: How many settings each loss could choose from.
        tuning: The seeds that chose.
        confirmation: The runs of the chosen conditions with the other seeds.
    """

    conditions: Mapping[str, Condition]
    budget: int
    tuning: tuple[int, ...]
    confirmation: pd.DataFrame


def tune(rows: pd.DataFrame, tuning_seeds: int = TUNING_SEEDS) -> Tuned:
    """Chooses the condition of each loss and sets its confirming runs apart.

    Args:
        rows: Runs of one dataset and setting, both losses.
        tuning_seeds: How many seeds tune: the smallest numbers. They confirm nothing.

    Raises:
        UnequalBudgetsError: If the losses have different numbers of conditions.
    """
    scores = {loss: setting_scores(rows[rows["loss"] == loss], tuning_seeds) for loss in LOSSES}
    budgets = {loss: len(scored) for loss, scored in scores.items()}
    if len(set(budgets.values())) != 1:
        text = ", ".join(f"{count} for {loss}" for loss, count in budgets.items())
        raise UnequalBudgetsError(f"unequal budgets: {text}")
    chosen: dict[str, Condition] = {loss: scored.index[int(np.argmax(scored))] for loss, scored in scores.items()}
    seeds = _tuning(rows, tuning_seeds)
    condition = pd.MultiIndex.from_frame(rows[list(CONDITION)])
    mine = np.zeros(len(rows), dtype=bool)
    for loss, best in chosen.items():
        mine |= (rows["loss"] == loss).to_numpy() & condition.isin([best])
    confirmation = rows[mine & ~rows["seed"].isin(seeds).to_numpy()]
    return Tuned(chosen, budgets[LOSSES[0]], seeds, confirmation)


def setting_scores(rows: pd.DataFrame, tuning_seeds: int = TUNING_SEEDS) -> pd.Series:
    """Mean validation score of each condition over the tuning seeds, minus infinity where a run diverged or is missing.

    Args:
        rows: Runs of one dataset and loss.
        tuning_seeds: How many seeds tune.

    Returns:
        By (miner, margin, learning rate), in that order: a diverged setting is spent, and the worst.
    """
    seeds = _tuning(rows, tuning_seeds)
    trial = rows[rows["seed"].isin(seeds)]
    values = trial[SELECTION] if SELECTION in trial else pd.Series(np.nan, index=trial.index)
    scored = values.where(~trial["diverged"]).groupby([trial[name] for name in CONDITION]).agg(["mean", "count"])
    scored = scored.reindex(pd.MultiIndex.from_frame(rows[list(CONDITION)].drop_duplicates()).sort_values())
    return scored["mean"].where(scored["count"] == len(seeds), -np.inf)


def best_so_far(rows: pd.DataFrame, tuning_seeds: int = TUNING_SEEDS) -> pd.DataFrame:
    """The validation score to be expected of the best of k settings, for every k, were they tried in random order.

    The best of k out of m is the j-th smallest with probability C(j - 1, k - 1) / C(m, k).

    Args:
        rows: Runs of one dataset and setting, both losses.
        tuning_seeds: How many seeds tune.

    Returns:
        Columns ``loss``, ``settings`` (k) and ``score``; diverged settings score zero, the least that MAP@R can be.
    """
    parts = []
    for loss in LOSSES:
        ascending = np.sort(setting_scores(rows[rows["loss"] == loss], tuning_seeds).clip(lower=0.0).to_numpy(float))
        count = len(ascending)
        expected = []
        for tried in range(1, count + 1):
            # C(j - 1, k - 1) / C(m, k), from the largest down: each is the one above times (j + 1 - k) / j.
            chances = np.zeros(count)
            chances[-1] = tried / count
            for rank in range(count - 1, tried - 1, -1):
                chances[rank - 1] = chances[rank] * (rank + 1 - tried) / rank
            expected.append(float(chances @ ascending))
        parts.append(pd.DataFrame({"loss": loss, "settings": range(1, count + 1), "score": expected}))
    return pd.concat(parts, ignore_index=True)


def _tuning(rows: pd.DataFrame, tuning_seeds: int) -> tuple[int, ...]:
    return tuple(int(seed) for seed in np.sort(rows["seed"].unique())[:tuning_seeds])
