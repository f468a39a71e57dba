"""The levels of a numeric hyperparameter: those of a grid or a list, or fifths of a range that seeds drew from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.comparison.pairing import row_tuples
from analysis.parameters import CONDITION, GRID, OWN_SCALE

Ends = tuple[float, float]
NUMERIC = OWN_SCALE  # what is searched on a log scale
PARTS = 5  # of a range that was drawn from, on a log scale


@dataclass(frozen=True)
class Levels:
    """The levels of one hyperparameter of one arm, in ascending order.

    Attributes:
        ranges: From where to where each goes: one value, or a fifth of the range.
    """

    ranges: tuple[Ends, ...]

    @property
    def drawn(self) -> bool:
        """Whether they are fifths of a range."""
        return any(low < high for low, high in self.ranges)

    def positions(self, values: Sequence[float] | pd.Series) -> npt.NDArray[np.int64]:
        """(values,) to which level each value belongs, among those that they were made of."""
        starts = np.array([low for low, _ in self.ranges])
        return np.clip(np.searchsorted(starts, np.asarray(values, dtype=float), side="right") - 1, 0, None)

    def middle(self, position: int) -> float:
        """The middle of a level on a log scale."""
        low, high = self.ranges[position]
        return low if low == high else float(np.sqrt(low * high))

    def words(self, position: int) -> str:
        """A level in words: ``16``, or ``3.1 to 24``."""
        low, high = self.ranges[position]
        return f"{low:g}" if low == high else range_words((low, high))


def levels_of(rows: pd.DataFrame, parameter: str) -> Levels:
    """The levels of a hyperparameter.

    Where most settings have a value of their own, seeds drew it from a range. That goes from the least to the largest
    value that one drew, and its fifths on a log scale are the levels. A zero beside them, of the default setting that
    has no weight decay, belongs to the lowest.

    Args:
        rows: Runs of one arm on one dataset, at least one.
        parameter: One of `NUMERIC`, whose values are not negative.
    """
    values = sorted(set(rows[parameter].tolist()))
    settings = len(set(row_tuples(rows, ["seed", *CONDITION])))
    drawn = [value for value in values if value > 0]
    if (rows["search"] == GRID).all() or 2 * len(values) <= settings or len(drawn) < 2:
        return Levels(tuple((float(value), float(value)) for value in values))
    ends = np.geomspace(drawn[0], drawn[-1], PARTS + 1)
    ends[0], ends[-1] = drawn[0], drawn[-1]  # to the last bit
    return Levels(tuple((float(low), float(high)) for low, high in pairwise(ends)))


def range_words(ends: Ends, digits: int = 2) -> str:
    """A range to two digits: ``3.1 to 24``; one number where both ends read the same."""
    low, high = (rounded(end, digits) for end in ends)
    return low if low == high else f"{low} to {high}"


def rounded(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, written out: ``1020``."""
    return f"{float(f'{value:.{digits}g}'):g}"
