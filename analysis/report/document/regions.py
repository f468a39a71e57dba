"""What a page shows beside its slider: the verdicts under each region of practical equivalence, and each seed on it."""

from __future__ import annotations

import math

import numpy as np

from analysis.comparison.comparisons import Comparison
from analysis.comparison.result import Result
from analysis.conclusions.region_sweep import RegionSweep
from analysis.metrics import SCORE, TUNED, score_of, title_of
from analysis.parameters import ARM
from analysis.report.addresses import RunAddresses
from analysis.report.document.blocks import RegionRow, Regions, SeedPoint, Seeds, SeedStrip
from analysis.report.document.tables import sole_pair
from analysis.report.document.text_table import Cell, Link, result_badge
from analysis.report.document.wording import minus_text
from analysis.report.figures.marks import marks_of, together
from analysis.report.findings import Findings
from analysis.report.formatting import deciding_p_text

_STEPS = (1.0, 2.0, 5.0, 10.0)
_TICKS = 6  # at most so many steps between the ends of the axis


def regions(sweep: RegionSweep, findings: Findings) -> Regions:
    """The verdicts on the metrics of a family, as `verdict_rows` would show them under each region."""
    of_place = list(zip(*sweep.results, strict=True))
    rows = tuple(RegionRow(_about(results[0], findings), tuple(map(_cells, results))) for results in of_place)
    name = "rope" if sweep.family == SCORE.family else f"rope-{sweep.family}"
    return Regions(name, tuple(title_of(metric.name) for metric in sweep.metrics), sweep.widths, sweep.own, rows)


def _cells(result: Result) -> tuple[Cell, str]:
    return result_badge(result), deciding_p_text(result.p_deciding, result.judged.test)


def _about(result: Result, findings: Findings) -> dict[str, str]:
    section = [one for one in findings.results if (one.estimand, one.family) == (result.estimand, result.family)]
    arms = {} if sole_pair(section) else {"first": result.first, "second": result.second}
    about = {"dataset": str(result.dataset), "metric": title_of(result.metric), "estimand": str(result.estimand)}
    return {**about, **arms}


def seeds(findings: Findings) -> Seeds:
    """Each seed's tuned difference on the primary metric, with the two runs it is of: one strip a comparison."""
    of_arms = {(comparison.dataset, comparison.arms): comparison for comparison in findings.comparisons}
    tuned = [
        result
        for result in findings.results
        if result.metric == SCORE.name and result.estimand == TUNED and result.n > 1
    ]
    shown_at = findings.shown_at
    strips = tuple(_strip(of_arms[str(result.dataset), result.arms], result, shown_at) for result in tuned)
    rope = 100 * score_of(findings.metrics).rope
    values = [value for one in strips for value in (one.low, one.high, *(point.at for point in one.points))]
    ticks = _ticks(min([-2 * rope, *values]), max([2 * rope, *values]))
    return Seeds(strips, ticks, rope, SCORE.title, minus_text(findings), shown_at.base if shown_at else "")


def _strip(comparison: Comparison, result: Result, shown_at: RunAddresses | None) -> SeedStrip:
    runs = comparison.tuned.runs
    ended = runs[~runs["diverged"].astype(bool) & np.isfinite(runs[SCORE.column].to_numpy(float))]
    ended = ended.assign(marks=marks_of(ended, comparison.tried))
    of_arm = [ended[ended[ARM] == arm].set_index("seed") for arm in comparison.arms]
    points = []
    for seed in sorted(set(of_arm[0].index) & set(of_arm[1].index)):
        scores = [float(own.loc[seed, SCORE.column]) for own in of_arm]
        said = "; ".join(
            f"{arm} {100 * score:.2f}%, {comparison.tuned.condition(arm, seed)}, run {own.loc[seed, 'key']}"
            for arm, score, own in zip(comparison.arms, scores, of_arm, strict=True)
        )
        at = 100 * (scores[0] - scores[1])
        marks = together([own.loc[seed, "marks"] for own in of_arm])
        keys = [str(own.loc[seed, "key"]) for own in of_arm]
        links = tuple(Link(key, shown_at.of(key)) for key in keys) if shown_at else ()
        points.append(SeedPoint(at, f"seed {seed}: {at:+.2f} pt; {said}", marks, links))
    mean, low, high = (100 * value for value in (result.difference, result.ci_low, result.ci_high))
    return SeedStrip(comparison.label, tuple(points), mean, low, high)


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers at equal steps, the outer ones at or beyond the ends."""
    rough = (high - low) / _TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * one for one in _STEPS if unit * one >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return tuple(round(place * step, 10) for place in range(first, last + 1))
