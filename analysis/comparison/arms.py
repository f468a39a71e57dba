"""Arms: what is compared with each other, today the losses."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple


class ArmPair(NamedTuple):
    """Two arms; their difference is the first minus the second."""

    first: str
    second: str


def arm_pairs(arms: Iterable[str]) -> list[ArmPair]:
    """Every pair of some arms.

    The arms are put in alphabetical order, and the difference is the later arm minus the earlier one. So a pair has
    the same sign whatever the order in which its arms were run; treatment coding of factors does the same.

    Examples:
        >>> arm_pairs(["softmax", "contrastive", "softmax"])
        [ArmPair(first='softmax', second='contrastive')]
    """
    return [ArmPair(later, earlier) for earlier, later in combinations(sorted(set(arms)), 2)]
