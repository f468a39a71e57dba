"""Verdicts under every width of the region of practical equivalence, so that a reader can set it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.comparison.comparisons import Comparison
from analysis.comparison.judgement import judge
from analysis.comparison.paired_tests import against_region
from analysis.comparison.result import Result
from analysis.conclusions.verdict_table import estimand_and_family
from analysis.metrics import PERFORMANCE, Family, Metric
from analysis.statistics.sign_flips import SignFlips

WIDTHS = tuple(step / 1000 for step in range(1, 51))  # of shares: 0.1 to 5 points


@dataclass(frozen=True)
class RegionSweep:
    """The verdicts on the metrics of a family under several regions of practical equivalence, the same for all of them.

    Attributes:
        metrics: What is compared, with the region that the study's verdicts use.
        widths: The half-widths, ascending; that of the metrics is one of them.
        results: For each half-width the results on the metrics, in the order of the study's own.
    """

    metrics: tuple[Metric, ...]
    widths: tuple[float, ...]
    results: tuple[tuple[Result, ...], ...]

    @property
    def family(self) -> Family:
        """The metrics' family."""
        return self.metrics[0].family

    @property
    def own(self) -> int:
        """The place of the region that the study's verdicts use."""
        return self.widths.index(self.metrics[0].rope)

    @property
    def decides(self) -> bool:
        """Whether there is a verdict with any of the regions."""
        return any(result.judged.outcome != "insufficient" for swept in self.results for result in swept)


def region_sweeps(
    compared: Sequence[Comparison], results: Sequence[Result], metrics: Sequence[Metric]
) -> list[RegionSweep]:
    """A sweep for each family of test scores whose metrics have one region.

    Where they have several there is none: Holm's correction runs over the family, so that the region of one metric
    moves the verdicts on the others.
    """
    sweeps = []
    for family in PERFORMANCE:
        own = tuple(metric for metric in metrics if metric.judged and metric.family == family)
        if own and len({metric.rope for metric in own}) == 1:
            sweeps.append(region_sweep(compared, results, own))
    return sweeps


def region_sweep(compared: Sequence[Comparison], results: Sequence[Result], metrics: Sequence[Metric]) -> RegionSweep:
    """The verdicts that `verdicts` would give on metrics that are shares, for each half-width of `WIDTHS`.

    Effects and the tests against zero do not know the region. So each sample is paired once, and for each width the
    tests against the region, Holm's correction and the verdicts alone are made again.

    Args:
        compared: The comparisons of a study.
        results: Their results, the rows of `verdicts`.
        metrics: All those of a family that have verdicts, with the one region of these results.
    """
    of_name = {metric.name: metric for metric in metrics}
    family = [result for result in results if result.family == metrics[0].family and not result.is_shown]
    of_arms = {(comparison.dataset, comparison.arms): comparison for comparison in compared}
    flips: dict[int, SignFlips] = {}
    for place, result in enumerate(family):
        if result.n and result.estimand is not None:
            comparison = of_arms[str(result.dataset), result.arms]
            table = comparison.seed_table(comparison.runs_of(result.estimand), result.estimand)
            flips[place] = SignFlips(table.sample(of_name[result.metric]).differences)
    widths = tuple(sorted({*WIDTHS, metrics[0].rope}))
    return RegionSweep(tuple(metrics), widths, tuple(_judged_within(width, family, flips) for width in widths))


def _judged_within(width: float, family: Sequence[Result], flips: dict[int, SignFlips]) -> tuple[Result, ...]:
    """The results of a family with a region of this half-width."""
    tests = [
        against_region(replace(result, rope=width), flips[place]) if place in flips else result
        for place, result in enumerate(family)
    ]
    return tuple(judge(tests, estimand_and_family))
