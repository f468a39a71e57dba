"""What seeds that drew their settings for themselves have chosen: from where to where, as no two chose the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

Range = tuple[float, float]


@dataclass(frozen=True)
class ChosenRange:
    """The choices of some seeds for one arm.

    Attributes:
        seeds: How many have chosen.
        margin: The least and the largest margin that one chose.
        lr: The least and the largest learning rate.
        miner: The most frequent miner; of equals the first in the alphabet.
        miner_seeds: How many chose it.
        epochs: The least and the largest number of epochs; None where no other number was tried.
    """

    seeds: int
    margin: Range
    lr: Range
    miner: str
    miner_seeds: int
    epochs: Range | None = None

    @classmethod
    def of(cls, chosen: pd.DataFrame, chose_epochs: bool) -> ChosenRange:
        """Those of the chosen runs of one arm, at least one.

        Args:
            chosen: One a seed.
            chose_epochs: Whether there was more than one number of epochs to choose from.
        """
        miner, count = min(Counter(chosen["miner"]).items(), key=lambda item: (-item[1], item[0]))
        epochs = _range(chosen["epochs"]) if chose_epochs else None
        return cls(len(chosen), _range(chosen["margin"]), _range(chosen["lr"]), str(miner), count, epochs)

    def __str__(self) -> str:
        """In words."""
        trained = "" if self.epochs is None else f", {range_words(self.epochs)} epochs"
        numbers = f"margin {range_words(self.margin)}, lr {range_words(self.lr)}"
        return f"{numbers}, miner {self.miner} {self.miner_seeds} of {self.seeds}{trained}"


def range_words(ends: Range, digits: int = 2) -> str:
    """A range to two digits: ``3.1 to 24``; one number where both ends read the same."""
    low, high = (rounded(end, digits) for end in ends)
    return low if low == high else f"{low} to {high}"


def rounded(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, written out: ``1020``."""
    return f"{float(f'{value:.{digits}g}'):g}"


def _range(values: pd.Series) -> Range:
    return float(values.min()), float(values.max())
