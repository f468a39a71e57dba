"""Verdicts under every width of the region of practical equivalence, so that a reader can set it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.comparison.comparisons import Comparison
from analysis.comparison.judgement import judge
from analysis.comparison.paired_tests import against_region
from analysis.comparison.result import Result
from analysis.conclusions.verdict_table import estimand_and_family
from analysis.metrics import Metric
from analysis.statistics.sign_flips import SignFlips

WIDTHS = tuple(step / 1000 for step in range(1, 51))  # of shares: 0.1 to 5 points


@dataclass(frozen=True)
class RegionSweep:
    """The verdicts on one metric under several regions of practical equivalence.

    Attributes:
        metric: What is compared, with the region that the study's verdicts use.
        widths: The half-widths, ascending; that of `metric` is one of them.
        results: For each half-width the results on the metric, in the order of the study's own.
    """

    metric: Metric
    widths: tuple[float, ...]
    results: tuple[tuple[Result, ...], ...]

    @property
    def own(self) -> int:
        """The place of the region that the study's verdicts use."""
        return self.widths.index(self.metric.rope)


def region_sweep(compared: Sequence[Comparison], results: Sequence[Result], metric: Metric) -> RegionSweep:
    """The verdicts that `verdicts` would give on a metric that is a share, for each half-width of `WIDTHS`.

    Effects and the tests against zero do not know the region. So each sample is paired once, and for each width the
    tests against the region, Holm's correction and the verdicts alone are made again. Regions of other metrics of the
    family stay as they are.

    Args:
        compared: The comparisons of a study.
        results: Their results, the rows of `verdicts`.
        metric: One of those compared on, with the region of these results.
    """
    family = [result for result in results if result.family == metric.family and not result.is_shown]
    of_arms = {(comparison.dataset, comparison.arms): comparison for comparison in compared}
    flips: dict[int, SignFlips] = {}
    for place, result in enumerate(family):
        if result.metric == metric.name and result.n and result.estimand is not None:
            comparison = of_arms[str(result.dataset), result.arms]
            sample = comparison.seed_table(comparison.runs_of(result.estimand), result.estimand).sample(metric)
            flips[place] = SignFlips(sample.differences)
    widths = tuple(sorted({*WIDTHS, metric.rope}))
    return RegionSweep(metric, widths, tuple(_judged_within(width, family, flips, metric) for width in widths))


def _judged_within(
    width: float, family: Sequence[Result], flips: dict[int, SignFlips], metric: Metric
) -> tuple[Result, ...]:
    """The results on a metric with a region of this half-width."""
    tests = [
        against_region(replace(result, rope=width), flips[place]) if place in flips else result
        for place, result in enumerate(family)
    ]
    return tuple(result for result in judge(tests, estimand_and_family) if result.metric == metric.name)
