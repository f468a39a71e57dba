"""Tuned against tuned: each loss with the hyperparameters that it does best with on validation data.

Some seeds tune, the others confirm; both losses share them. The same number of settings is tried for both; the one with
the best mean validation score over the tuning seeds, at the last epoch, is what the test scores of the other seeds are
read of. Nothing is trained twice: the grid that the grid average uses is the search.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.pairing import CONDITION, LOSSES, Seed, study_seeds

SELECTION = "val/map_at_r"
TUNING_SEEDS = 3

Condition = tuple[str, float, float]


class UnequalBudgetsError(ValueError):
    """One loss was given more settings to choose from than the other: the best of more is better by chance."""


@dataclass(frozen=True)
class Tuned:
    """What tuning chose on one dataset.

    Attributes:
        conditions: (miner, margin, learning rate) by loss; empty where one of them could not be tuned.
        budget: How many settings each loss could choose from.
        tuning: The seeds that chose.
        confirming: The other seeds, whether or not they were run with the chosen conditions.
        confirmation: The runs of the chosen conditions with the other seeds.
        refused: Why no verdict can be read of them; empty if one can.
    """

    conditions: Mapping[str, Condition]
    budget: int
    tuning: tuple[Seed, ...]
    confirming: tuple[Seed, ...]
    confirmation: pd.DataFrame
    refused: str = ""


def tune(rows: pd.DataFrame, tuning_seeds: int = TUNING_SEEDS, seeds: Iterable[Seed] | None = None) -> Tuned:
    """Chooses the condition of each loss and sets its confirming runs apart.

    Args:
        rows: Runs of one dataset and setting, both losses.
        tuning_seeds: How many seeds tune: the smallest numbers. They confirm nothing.
        seeds: Those that the study has, where `rows` are a part of it; those of `rows` if not given.

    Raises:
        UnequalBudgetsError: If the losses have different numbers of conditions.
        ValueError: If `tuning_seeds` is less than 1.
    """
    all_seeds = study_seeds(rows) if seeds is None else list(seeds)
    tuning = first_seeds(all_seeds, tuning_seeds)
    scores = {loss: setting_scores(rows[rows["loss"] == loss], tuning) for loss in LOSSES}
    budgets = {loss: len(scored) for loss, scored in scores.items()}
    if len(set(budgets.values())) != 1:
        text = ", ".join(f"{count} for {loss}" for loss, count in budgets.items())
        raise UnequalBudgetsError(f"unequal budgets: {text}")
    confirming = tuple(seed for seed in all_seeds if seed not in tuning)
    untuned = [loss for loss, scored in scores.items() if not np.isfinite(scored).any()]
    if untuned:
        whose = f"the {untuned[0]} loss" if len(untuned) == 1 else "either loss"
        refused = f"no setting of {whose} has a validation score of every tuning seed"
        return Tuned({}, budgets[LOSSES[0]], tuning, confirming, rows.iloc[:0], refused)
    chosen: dict[str, Condition] = {loss: scored.index[int(np.argmax(scored))] for loss, scored in scores.items()}
    condition = pd.MultiIndex.from_frame(rows[list(CONDITION)])
    mine = np.zeros(len(rows), dtype=bool)
    for loss, best in chosen.items():
        mine |= (rows["loss"] == loss).to_numpy() & condition.isin([best])
    confirmation = rows[mine & ~rows["seed"].isin(tuning).to_numpy()]
    refused = "" if confirming else f"{tuning_seeds} seeds tune: of {len(all_seeds)} none is left to confirm"
    unconfirmed = [loss for loss in LOSSES if loss not in set(confirmation["loss"])]
    if unconfirmed and confirming:
        refused = f"the chosen setting of the {unconfirmed[0]} loss was run with no confirming seed"
    return Tuned(chosen, budgets[LOSSES[0]], tuning, confirming, confirmation, refused)


def first_seeds(seeds: Sequence[Seed], count: int) -> tuple[Seed, ...]:
    """The `count` smallest seeds, by number even where they are given as text.

    Raises:
        ValueError: If `count` is less than 1.
    """
    check_tuning_seeds(count)
    numbers = pd.to_numeric(pd.Series(seeds, dtype=object), errors="coerce")
    named = numbers.isna().any()
    order = sorted(range(len(seeds)), key=lambda place: str(seeds[place]) if named else numbers[place])
    return tuple(seeds[place] for place in order[:count])


def check_tuning_seeds(count: int) -> None:
    """Refuses to tune on no seed.

    Raises:
        ValueError: If `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"tuning_seeds must be at least 1, not {count}")


def setting_scores(rows: pd.DataFrame, seeds: Sequence[Seed]) -> pd.Series:
    """Mean validation score of each condition over the tuning seeds, minus infinity where a run diverged or is missing.

    Args:
        rows: Runs of one dataset and loss.
        seeds: Those that tune, of both losses: a loss that lacks one of them cannot take another instead.

    Returns:
        By (miner, margin, learning rate), in that order: a diverged setting is spent, and the worst.
    """
    trial = rows[rows["seed"].isin(seeds)]
    values = trial[SELECTION] if SELECTION in trial else pd.Series(np.nan, index=trial.index)
    usable = np.isfinite(values.to_numpy(float)) & ~trial["diverged"].to_numpy(dtype=bool)
    scored = values.astype(float).where(usable).groupby([trial[name] for name in CONDITION]).agg(["mean", "count"])
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

    Raises:
        ValueError: If `tuning_seeds` is less than 1.
    """
    seeds = first_seeds(study_seeds(rows), tuning_seeds)
    parts = []
    for loss in LOSSES:
        ascending = np.sort(setting_scores(rows[rows["loss"] == loss], seeds).clip(lower=0.0).to_numpy(float))
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
