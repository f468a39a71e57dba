"""How many seeds it takes to show something."""

from __future__ import annotations

import math
from statistics import NormalDist

from analysis.statistics.sign_flips import EXACT_UP_TO, smallest_p

ALPHA = 0.05
LEAST_SEEDS = 8
_MOST_SEEDS = 10**9  # if so many seeds cannot decide, no number can
_NORMAL = NormalDist()


def more_seeds(mean: float, spread: float, rope: float, seeds: int, tests: int, power: float = 0.8) -> float:
    """How many more seeds would decide an undecided comparison, if its mean and spread were the true ones.

    Args:
        mean: Of the paired differences, on the scale of the test.
        spread: Their standard deviation.
        rope: Half-width of the region of practical equivalence.
        seeds: How many there are now.
        tests: How many tests it is corrected among.
        power: The wanted probability that one of its tests rejects.

    Returns:
        The fewest with which `decision_power` is at least `power`, at least 1; NaN where mean or spread is not known,
        infinity if no number is enough, because there are too many tests.
    """
    if not math.isfinite(mean) or not math.isfinite(spread):
        return math.nan

    def enough(count: int) -> bool:
        return decision_power(mean, spread, rope, count, tests) >= power

    few, many = seeds, seeds + 1
    while not enough(many):
        if many > _MOST_SEEDS:
            return math.inf
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return float(many - seeds)


def decision_power(mean: float, spread: float, rope: float, seeds: int, tests: int = 1) -> float:
    """The probability of a verdict other than ``undecided``: the largest power among the three tests.

    By the normal approximation with Guenther's (1981) correction: a test whose spread is estimated, at a level whose
    normal quantile is z, needs z^2 / 2 more seeds than one whose spread is known. The level is the first threshold of
    Holm's method, or what the sign patterns of an exact test can reach below it. Against zero and against the region of
    practical equivalence the tests are two-sided; equivalence asks that two one-sided tests reject at once. The power
    is zero where the smallest p-value is above the threshold, or where the seeds are too few for any verdict.

    Args:
        mean: Of the paired differences, on the scale of the test.
        spread: Their standard deviation.
        rope: Half-width of the region of practical equivalence.
        seeds: How many of them are complete.
        tests: How many tests it is corrected among.
    """
    level = ALPHA / tests
    if seeds < LEAST_SEEDS or smallest_p(seeds) > level:
        return 0.0

    def rejects(distance: float, tail: float) -> float:
        """The power of a one-sided test of a mean that far beyond its null, at the level `tail`."""
        if seeds <= EXACT_UP_TO:
            tail = math.floor(tail * 2**seeds) / 2**seeds
        if tail <= 0:
            return 0.0
        quantile = _NORMAL.inv_cdf(1 - tail)
        effective = seeds - quantile**2 / 2
        if effective <= 0:
            return 0.0
        if not spread:
            return float(distance > 0)
        return _NORMAL.cdf(distance / spread * math.sqrt(effective) - quantile)

    against_zero = rejects(abs(mean), level / 2)
    minimum_effect = rejects(abs(mean) - rope, level / 2)
    equivalence = rejects(rope - mean, level) + rejects(rope + mean, level) - 1
    return max(against_zero, minimum_effect, equivalence)
