"""What a number of seeds can show at best, before anything is trained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from analysis.inference import EXACT_UP_TO, smallest_p
from analysis.metrics import METRICS

ALPHA = 0.05
LEAST_SEEDS = 8
_MOST_SEEDS = 10**9  # a comparison that so many cannot decide, none can
_NORMAL = NormalDist()


@dataclass(frozen=True)
class FamilyPower:
    """Whether a family of tests can reject at all.

    Attributes:
        estimand: ``"tuned"`` or ``"grid average"``.
        family: Its name.
        seeds: Of the study that its tests are made on.
        tests: How many tests it holds.
    """

    estimand: str
    family: str
    seeds: int
    tests: int

    @property
    def smallest(self) -> float:
        """The smallest p-value that the seeds can reach."""
        return smallest_p(self.seeds) if self.seeds else 1.0

    @property
    def threshold(self) -> float:
        """The p-value that Holm's first step asks for."""
        return ALPHA / self.tests

    @property
    def can_reject(self) -> bool:
        """Whether the smallest p-value is at most the first threshold."""
        return self.smallest <= self.threshold


def family_power(seeds: int, datasets: int, tuning_seeds: int = 3) -> list[FamilyPower]:
    """What each family of tests can reach, by estimand, for a number of seeds and of datasets.

    Args:
        seeds: Of the study.
        datasets: Readings of datasets that the study compares the losses on.
        tuning_seeds: How many of the seeds tune; they confirm nothing.
    """
    metrics = Counter(str(metric.family) for metric in METRICS)
    estimands = [("tuned", max(seeds - tuning_seeds, 0), ("primary", "secondary")), ("grid average", seeds, metrics)]
    return [
        FamilyPower(estimand, family, count, metrics[family] * datasets)
        for estimand, count, families in estimands
        for family in families
    ]


def seeds_needed(datasets: int, tuning_seeds: int = 3) -> int:
    """The fewest seeds with which every family can reject, at least `LEAST_SEEDS` of them confirming."""
    seeds = LEAST_SEEDS + tuning_seeds
    while not all(power.can_reject for power in family_power(seeds, datasets, tuning_seeds)) and seeds < 64:
        seeds += 1
    return seeds


def more_seeds(row: Mapping[str, Any], tests: int, power: float = 0.8) -> float:
    """How many more seeds would decide an undecided comparison, were its mean and spread the true ones.

    Args:
        row: With ``n``, ``difference``, ``spread`` (standard deviation of the paired differences), ``rope``, ``scale``.
        tests: How many tests it is corrected among.
        power: With which probability one of its tests shall reject.

    Returns:
        The fewest with which `decision_power` is at least `power`, at least 1; NaN where mean or spread is not known,
        infinity where no number will do: so many tests that none of them can reject at the first threshold.
    """
    difference, seeds = float(row["difference"]), int(row["n"])
    mean = math.log(difference) if row["scale"] == "log" and difference > 0 else difference
    if not math.isfinite(mean) or not math.isfinite(row["spread"]):
        return math.nan

    def enough(count: int) -> bool:
        return decision_power(mean, row["spread"], row["rope"], count, tests) >= power

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
    """How likely a verdict other than ``undecided`` is: the power of whichever of the three tests has most of it.

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
