"""Which families of tests a study makes, and whether its seeds can show anything in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import get_args

from analysis.conclusions.claims_file import read_claims
from analysis.conclusions.verdict_table import PLACES
from analysis.metrics import BY_NAME, METRICS, Estimand, Family
from analysis.statistics.power import ALPHA, LEAST_SEEDS
from analysis.statistics.sign_flips import smallest_p

CLAIMS = "claims"


@dataclass(frozen=True)
class FamilyPower:
    """Whether a family of tests can reject at all.

    Attributes:
        estimand: What its tests compare; `CLAIMS` for those of claims, at all places together.
        family: Its name.
        seeds: How many seeds of the study its tests are made on.
        tests: How many tests it holds.
    """

    estimand: str
    family: Family
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


def family_power(seeds: int, comparisons: int) -> list[FamilyPower]:
    """What each family of tests can reach, for a number of seeds.

    Args:
        seeds: Of the study.
        comparisons: Encoded datasets times pairs of arms.
    """
    metrics = Counter(metric.family for metric in METRICS if metric.judged)
    return [
        FamilyPower(estimand, family, seeds, count * comparisons)
        for estimand in get_args(Estimand)
        for family, count in metrics.items()
    ]


def claim_power(seeds: int, comparisons: int, places: int) -> list[FamilyPower]:
    """What the tests of the paper's claims can reach, which are corrected over all places together.

    Args:
        seeds: Of the study.
        comparisons: Encoded datasets times pairs of arms.
        places: At how many places the study can test a claim.
    """
    counts = _claimed_metrics()
    return [FamilyPower(CLAIMS, family, seeds, count * comparisons * places) for family, count in counts.items()]


@cache
def _claimed_metrics() -> Counter[Family]:
    """How many metrics of each family the paper's claims are about; their file is read once."""
    return Counter(BY_NAME[name].family for name in dict.fromkeys(claim.metric for claim in read_claims()))


def seeds_needed(comparisons: int) -> int:
    """The fewest seeds with which every family can reject, at least `LEAST_SEEDS`."""
    seeds = LEAST_SEEDS
    while seeds < 64 and not all(
        power.can_reject for power in (*family_power(seeds, comparisons), *claim_power(seeds, comparisons, len(PLACES)))
    ):
        seeds += 1
    return seeds
