"""What happened to runs that ended well, yet learned no further: all embeddings near one point, or no active negative.

A collapse is a known outcome of hard negatives early in training (Schroff et al. 2015, section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.comparison.levels import levels_of
from analysis.comparison.settings import longest_runs
from analysis.parameters import ARM

Ending = Literal["collapsed", "satisfied"]
# The column holds the epoch from which on it is so. Only runs that ended so have a value.
ENDINGS: dict[Ending, str] = {"collapsed": "train/collapsed_epoch", "satisfied": "train/satisfied_epoch"}
_SINCE = "train/active_negatives_mean"  # runs that have it would have recorded how they ended


@dataclass(frozen=True)
class FateAtMargin:
    """How many runs of one arm ended in one way at one margin.

    Attributes:
        margin: The margin, or where a fifth of a range that seeds drew from begins.
        count: How many ended so.
        runs: Out of how many.
        epoch: From which epoch on, the median over those that did.
        up_to: Where that fifth ends; None for a margin.
    """

    margin: float
    count: int
    runs: int
    epoch: float
    up_to: float | None = None


@dataclass(frozen=True)
class Fate:
    """How many runs of one arm ended in one way on one dataset.

    Attributes:
        dataset: Which one.
        arm: Whose runs.
        ending: ``"collapsed"``: all embeddings near one point; ``"satisfied"``: no active negative term left.
        count: How many ended so.
        runs: Out of how many, each setting of a seed once: the whole run, or the longest that halving let it have.
        by_margin: The margins at which at least one did, in ascending order.
    """

    dataset: str
    arm: str
    ending: Ending
    count: int
    runs: int
    by_margin: tuple[FateAtMargin, ...]


def fates(datasets: Mapping[str, pd.DataFrame]) -> list[Fate]:
    """How the runs of each dataset and arm ended; nothing for studies that are older than such records.

    Args:
        datasets: The runs of each, as `by_dataset` gives them, stopped ones included.
    """
    if not any({_SINCE, *ENDINGS.values()} & set(runs) for runs in datasets.values()):
        return []
    return [
        _fate(dataset, str(arm), ending, rows.assign(epoch=rows.get(column, math.nan)))
        for dataset, runs in datasets.items()
        for arm, rows in longest_runs(runs).groupby(ARM)
        for ending, column in ENDINGS.items()
    ]


def _fate(dataset: str, arm: str, ending: Ending, rows: pd.DataFrame) -> Fate:
    levels = levels_of(rows, "margin")
    by_margin = rows["epoch"].groupby(levels.positions(rows["margin"])).agg(["count", "size", "median"])
    at = []
    for position, count, runs, epoch in by_margin.itertuples(name=None):
        low, high = levels.ranges[position]
        if count:
            at.append(FateAtMargin(low, int(count), int(runs), float(epoch), high if low < high else None))
    return Fate(dataset, arm, ending, sum(one.count for one in at), len(rows), tuple(at))
