"""What a number of seeds can show at best, before anything is trained."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from analysis.inference import smallest_p
from analysis.metrics import METRICS

ALPHA = 0.05
LEAST_SEEDS = 8


@dataclass(frozen=True)
class FamilyPower:
    """Whether a family of tests can reject at all.

    Attributes:
        family: Its name.
        tests: How many tests it holds.
        threshold: The p-value that Holm's first step asks for.
        smallest: The smallest p-value that the planned seeds can reach.
    """

    family: str
    tests: int
    threshold: float
    smallest: float

    @property
    def can_reject(self) -> bool:
        """Whether the smallest p-value is at most the first threshold."""
        return self.smallest <= self.threshold


def family_power(seeds: int, datasets: int) -> list[FamilyPower]:
    """The reachable p-value of each family for a number of seeds and of datasets."""
    metrics = Counter(metric.family for metric in METRICS)
    return [
        FamilyPower(family, count * datasets, ALPHA / (count * datasets), smallest_p(seeds))
        for family, count in metrics.items()
    ]


def seeds_needed(datasets: int) -> int:
    """The fewest seeds, at least `LEAST_SEEDS`, with which every family can reject."""
    seeds = LEAST_SEEDS
    while not all(power.can_reject for power in family_power(seeds, datasets)) and seeds < 64:
        seeds += 1
    return seeds
