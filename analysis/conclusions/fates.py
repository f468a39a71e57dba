"""What happened to runs that ended well, yet learned no further: all embeddings near one point, or no active negative.

A collapse is a known outcome of hard negatives early in training (Schroff et al. 2015, section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.parameters import ARM

Ending = Literal["collapsed", "satisfied"]
# The column holds the epoch from which on it is so. Only runs that ended so have a value.
ENDINGS: dict[Ending, str] = {"collapsed": "train/collapsed_epoch", "satisfied": "train/satisfied_epoch"}
_SINCE = "train/active_negatives_mean"  # runs that have it would have recorded how they ended


@dataclass(frozen=True)
class FateAtMargin:
    """How many runs of one arm ended in one way at one margin.

    Attributes:
        margin: The margin.
        count: How many ended so.
        runs: Out of how many.
        epoch: From which epoch on, the median over those that did.
    """

    margin: float
    count: int
    runs: int
    epoch: float


@dataclass(frozen=True)
class Fate:
    """How many runs of one arm ended in one way on one dataset.

    Attributes:
        dataset: Which one.
        arm: Whose runs.
        ending: ``"collapsed"``: all embeddings near one point; ``"satisfied"``: no active negative term left.
        count: How many ended so.
        runs: Out of how many.
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
        datasets: The runs of each, as `by_dataset` gives them.
    """
    if not any({_SINCE, *ENDINGS.values()} & set(runs) for runs in datasets.values()):
        return []
    return [
        _fate(dataset, str(arm), ending, rows.assign(epoch=rows.get(column, math.nan)))
        for dataset, runs in datasets.items()
        for arm, rows in runs.groupby(ARM)
        for ending, column in ENDINGS.items()
    ]


def _fate(dataset: str, arm: str, ending: Ending, rows: pd.DataFrame) -> Fate:
    by_margin = rows.groupby("margin")["epoch"].agg(["count", "size", "median"])
    at = tuple(
        FateAtMargin(float(margin), int(count), int(runs), float(epoch))
        for margin, count, runs, epoch in by_margin.itertuples(name=None)
        if count
    )
    return Fate(dataset, arm, ending, sum(one.count for one in at), len(rows), at)
