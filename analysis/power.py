"""What a number of seeds can show at best, before anything is trained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy import stats

from analysis.inference import smallest_p
from analysis.metrics import METRICS

ALPHA = 0.05
LEAST_SEEDS = 8


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

    The normal approximation of the smaller of two numbers of seeds: for the minimum-effect test to reject, or for the
    equivalence test to, whichever the observed mean can come to, each at the first threshold of Holm's method.

    Args:
        row: With ``n``, ``difference``, ``spread`` (standard deviation of the paired differences), ``rope``, ``scale``.
        tests: Size of the family that it is corrected in.
        power: With which probability the test shall reject.

    Returns:
        A whole number, at least 1; infinity where the mean lies on the edge of the region, NaN where nothing is known.
    """
    mean = math.log(row["difference"]) if row["scale"] == "log" else row["difference"]
    distance = abs(abs(mean) - row["rope"])
    if not math.isfinite(mean) or not math.isfinite(row["spread"]):
        return math.nan
    if distance == 0.0:
        return math.inf
    sides = 2 if abs(mean) > row["rope"] else 1
    quantiles = stats.norm.isf(ALPHA / tests / sides) + stats.norm.isf(1 - power)
    needed = math.ceil((quantiles * row["spread"] / distance) ** 2)
    return float(max(needed - row["n"], 1))
