"""What a numeric hyperparameter may take: levels, which a grid tries all, or a range, of which a search draws."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidatorFunctionWrapHandler

MOST = 1e100  # as a record holds: `LARGEST` of `analysis.metrics`, which would load all of the analysis
TO = ".."  # between the ends of a range, as a user writes it


@dataclass(frozen=True)
class Range:
    """A range of positive numbers, of which a search draws evenly on a log scale."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """The number at a share of the way from `low` to `high`, from 0 to 1, on a log scale, as `nearest` gives it."""
        return self.nearest(math.exp((1 - share) * math.log(self.low) + share * math.log(self.high)))

    def nearest(self, value: float) -> float:
        """The number with six significant digits next to a value, within the range."""
        return min(max(float(f"{value:.6g}"), self.low), self.high)

    def __contains__(self, value: float) -> bool:
        """Whether a number lies within."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """As a user writes it."""
        return f"{_shortest(self.low)}{TO}{_shortest(self.high)}"


Level = float | Range


def level_or_range(value: Any, check: ValidatorFunctionWrapHandler) -> Level:
    """Reads ``"0.1..10"`` as a range. All else is a level, for the next validator to check.

    Raises:
        ValueError: If a range has no two ends, is upside down, or is not above zero; or if a number is above `MOST`.
    """
    if isinstance(value, Range):
        return value
    if not isinstance(value, str) or TO not in value:
        level: float = check(value)
        if level > MOST:
            raise ValueError(f"a level is at most {MOST:g}, the largest number that a record holds, not {level:g}")
        return level
    found = read_range(value)
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise ValueError(f"{value!r} is no range: its ends must be finite")
    if found.high > MOST:
        raise ValueError(f"the range {value!r} ends above {MOST:g}, the largest number that a record holds")
    if found.low <= 0:
        raise ValueError(f"the range {value!r} is drawn from on a log scale: both of its ends must be above zero")
    if found.low >= found.high:
        raise ValueError(f"the range {value!r} is upside down: its lower end stands first, as in 0.1{TO}10")
    return found


def read_range(text: str) -> Range:
    """Reads ``"0.1..10"``.

    Raises:
        ValueError: If it has no two ends.
    """
    low, _, high = text.partition(TO)
    try:
        return Range(float(low), float(high))
    except ValueError:
        raise ValueError(f"{text!r} is no range: give its ends, as in 0.1{TO}10") from None


def may_be(value: float, values: Iterable[Level]) -> bool:
    """Whether a number is one of some levels, or lies in one of some ranges."""
    return any(value in own if isinstance(own, Range) else value == own for own in values)


def largest(value: Level) -> float:
    """A level, or the upper end of a range."""
    return value.high if isinstance(value, Range) else value


def levels(values: Iterable[Level]) -> tuple[float, ...]:
    """The levels among levels and ranges."""
    return tuple(value for value in values if not isinstance(value, Range))


def _shortest(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def level_text(level: Level | str) -> str:
    """A level, a range or a name as a user writes it."""
    return f"{level:g}" if isinstance(level, float) else str(level)
