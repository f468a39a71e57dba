"""The verdicts under each region of practical equivalence that a reader may set, as a page's tables show them."""

from __future__ import annotations

from analysis.comparison.result import Result
from analysis.metrics import title_of
from analysis.report.document.blocks import RegionRow, Regions
from analysis.report.document.tables import sole_pair
from analysis.report.document.text_table import Cell, result_badge
from analysis.report.findings import Findings
from analysis.report.formatting import deciding_p_text


def regions(findings: Findings) -> Regions:
    """The verdicts on the primary metric, as `verdict_rows` would show them under each region."""
    sweep = findings.regions
    of_place = list(zip(*sweep.results, strict=True))
    rows = tuple(RegionRow(_about(results[0], findings), tuple(map(_cells, results))) for results in of_place)
    return Regions(title_of(sweep.metric.name), sweep.widths, sweep.own, rows)


def _cells(result: Result) -> tuple[Cell, str]:
    return result_badge(result), deciding_p_text(result.p_deciding, result.judged.test)


def _about(result: Result, findings: Findings) -> dict[str, str]:
    section = [one for one in findings.results if (one.estimand, one.family) == (result.estimand, result.family)]
    arms = {} if sole_pair(section) else {"first": result.first, "second": result.second}
    return {"dataset": str(result.dataset), "estimand": str(result.estimand), **arms}
