"""How much of what others can write is read: limits, which a user can raise all at once."""

from __future__ import annotations

import math
import os

VARIABLE = "STUDY_LIMITS"
_MOST = 1_000_000.0


class LimitsError(ValueError):
    """The variable that raises the limits holds no such number."""


def raised(limit: int) -> int:
    """A limit times the factor in the environment variable `STUDY_LIMITS`, which is 1 where it is not set.

    Raises:
        LimitsError: If the variable holds no number between 1 and a million.
    """
    given = os.environ.get(VARIABLE, "").strip() or "1"
    try:
        factor = float(given)
    except ValueError:
        factor = math.nan
    if not 1 <= factor <= _MOST:
        raise LimitsError(
            f"{VARIABLE} is the factor by which limits are raised, from 1 to a million, not {given[:40]!r}"
        )
    return int(limit * factor)


def remedy() -> str:
    """What to do about a limit, in words."""
    return f"where that is right, set {VARIABLE}=10, which raises all limits tenfold"
