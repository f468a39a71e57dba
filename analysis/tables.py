"""Tables for people: verdicts, claims and slices as rows of text."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.comparison import rows_of
from analysis.metrics import METRICS
from analysis.power import ALPHA
from analysis.verdict_table import GRID_AVERAGE


@dataclass(frozen=True)
class TextTable:
    """Cells of text under headings.

    Attributes:
        headings: One a column.
        words: Positions of the columns that stand left; the others hold figures.
        rows: One text a column each.
    """

    headings: tuple[str, ...]
    words: frozenset[int]
    rows: Sequence[tuple[str, ...]]

    def without(self, heading: str) -> TextTable:
        """The table without one of its columns."""
        place = self.headings.index(heading)
        words = frozenset(position - (position > place) for position in self.words if position != place)

        def rest(row: tuple[str, ...]) -> tuple[str, ...]:
            return (*row[:place], *row[place + 1 :])

        return TextTable(rest(self.headings), words, [rest(row) for row in self.rows])


P_ZERO, P_DECIDES = "p (d = 0, Holm)", "p that decides"
VERDICT_HEADINGS = (
    *("dataset", "metric", "n", "triplet", "contrastive", "difference", "95% interval", P_ZERO, P_DECIDES, "verdict"),
)
_DECIDES = {
    "equivalent": ("p_equivalence_corrected", "equivalence"),
    "small": ("p_corrected", "d = 0"),
    "triplet": ("p_minimum_effect_corrected", "effect"),
    "contrastive": ("p_minimum_effect_corrected", "effect"),
}


def verdict_rows(table: pd.DataFrame) -> TextTable:
    """The verdicts: shares in percent and points, ratios with a multiplication sign, epochs as they are."""
    rows = [
        (
            str(row["dataset"]),
            str(row["metric"]),
            str(row["n"]),
            level(row["triplet"], row["scale"]),
            level(row["contrastive"], row["scale"]),
            difference(row["difference"], row["scale"]),
            interval(row),
            p_text(row["p_corrected"]),
            deciding_p(row),
            verdict_text(row),
        )
        for row in rows_of(table)
    ]
    return TextTable(VERDICT_HEADINGS, frozenset({0, 1, 9}), rows)


def deciding_p(row: dict[str, Any]) -> str:
    """The corrected p-value of the test behind a verdict, and which test that is; a dash where none rejects."""
    column, test = _DECIDES.get(str(row["verdict"]).rpartition(", ")[2], ("", ""))
    return f"{p_text(row[column])} ({test})" if column else "-"


def evidence_rows(table: pd.DataFrame) -> TextTable:
    """Effects, and the corrected p-values that decide: minimum effect, equivalence, difference from zero."""
    headings = ("dataset", "metric", "d_z", "P(triplet > contrastive)", "meaningful")
    tests = {
        "p effect (Holm)": "p_minimum_effect_corrected",
        "p equivalence (Holm)": "p_equivalence_corrected",
        P_ZERO: "p_corrected",
    }
    lines = []
    for row in rows_of(table):
        if not row["n"]:
            continue
        effect = "-" if math.isnan(row["effect_size"]) else f"{row['effect_size']:.2f}"
        chance = f"{row['probability']:.2f} [{row['probability_low']:.2f}, {row['probability_high']:.2f}]"
        shown = (row["dataset"], row["metric"], effect, chance, "yes" if row["meaningful"] else "no")
        lines.append((*shown, *(p_text(row[column]) for column in tests.values()), _more(row["more_seeds"])))
    return TextTable((*headings, *tests, "more seeds to decide"), frozenset({0, 1, 4}), lines)


def claim_rows(table: pd.DataFrame, verdicts: pd.DataFrame) -> TextTable:
    """Claims by dataset, the source's figure beside ours; overall, why the verdict is what it is.

    Args:
        table: As `claims` gives it.
        verdicts: The verdict table that it was judged by.
    """
    headings = ("claim", "dataset", "verdict", "n", "difference", "95% interval", P_ZERO, P_DECIDES, "reported or why")
    decided = {(row["dataset"], row["metric"], row["estimand"]): deciding_p(row) for row in rows_of(verdicts)}
    rows = []
    for row in rows_of(table):
        about = (f"{row['claim']} ({row['estimand']})", str(row["dataset"]), str(row["verdict"]))
        if row["dataset"] == "overall":
            rows.append((*about, *[""] * 5, str(row["reason"])))
            continue
        figures = (f"{row['n']:.0f}", difference(row["difference"], row["scale"]), interval(row))
        decides = decided.get((row["dataset"], row["metric"], row["estimand"]), "-")
        rows.append((*about, *figures, p_text(row["p_corrected"]), decides, reported_text(row) or "-"))
    return TextTable(headings, frozenset({0, 1, 2, 8}), rows)


def reported_text(row: dict[str, Any]) -> str:
    """What a claim's source reports on a dataset: its difference, or that it tried the dataset; empty if neither."""
    if not math.isnan(row["reported"]):
        return difference(row["reported"], row["scale"])
    return "tried, no figure" if row["in_source"] else ""


def overall_rows(table: pd.DataFrame, verdicts: pd.DataFrame) -> TextTable:
    """Overall verdicts by estimand and metric.

    Args:
        table: As `overall_verdicts` gives it.
        verdicts: The verdict table that it was made of.
    """
    headings = ("estimand", "metric", "datasets", "n", "p triplet", "p contrastive", "p equivalent", P_DECIDES)
    rows = []
    for row in rows_of(table):
        mine = verdicts[(verdicts["estimand"] == row["estimand"]) & (verdicts["metric"] == row["metric"])]
        p_values = (p_text(row[f"p_{name}"]) for name in ("triplet", "contrastive", "equivalent"))
        about = (str(row["estimand"]), str(row["metric"]), str(row["datasets"]), count_text(mine["n"]))
        rows.append((*about, *p_values, _overall_p(row), str(row["verdict"])))
    return TextTable((*headings, "overall"), frozenset({0, 1, 8}), rows)


def _overall_p(row: dict[str, Any]) -> str:
    test = _DECIDES.get(str(row["verdict"]).rpartition(", ")[2], ("", ""))[1]
    value = row.get(f"p_{row['verdict'].replace(', ', '_')}", math.nan)
    return f"{p_text(value)} ({test})" if test else "-"


def count_text(counts: pd.Series) -> str:
    """Numbers of seeds: one number, or from the least to the most."""
    if not len(counts):
        return "-"
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"


def sensitivity_rows(table: pd.DataFrame) -> TextTable:
    """Verdicts by half-width of the region of practical equivalence."""
    headings = ("dataset", "metric", *(f"within {name}" for name in table.columns[2:]))
    return TextTable(headings, frozenset(range(len(headings))), [tuple(map(str, row)) for row in table.to_numpy()])


def slice_tables(table: pd.DataFrame) -> list[tuple[str, TextTable]]:
    """Verdicts on slices, a table with its title for each estimand (where the table has it) and kind of metric.

    Each has one row a dataset and slice and one column a metric, few enough of them for a page.
    """
    estimands = table["estimand"] if "estimand" in table else pd.Series(GRID_AVERAGE, index=table.index)
    scales = {metric.name: "log" if metric.scale == "log" else "other" for metric in METRICS}
    families = {metric.name: "mechanism" if metric.family == "mechanism" else "performance" for metric in METRICS}
    kinds = table["metric"].map(families) + " " + table["metric"].map(scales)
    return [
        (f"{estimand}, {_KINDS[str(kind)]}".capitalize(), _slice_table(part))
        for (estimand, kind), part in table.groupby([estimands, kinds], sort=False)
    ]


_KINDS = {
    "performance other": "performance",
    "mechanism log": "variances and gradient",
    "mechanism other": "activity and decay",
}


def _slice_table(table: pd.DataFrame) -> TextTable:
    metrics = list(dict.fromkeys(table["metric"]))
    rows = []
    for about, part in table.groupby(["dataset", "slice"], sort=False):
        verdicts = {row["metric"]: verdict_text(row) for row in rows_of(part)}
        rows.append((*map(str, about), count_text(part["n"]), *(verdicts.get(metric, "") for metric in metrics)))
    headings = ("dataset", "slice", "n", *map(str, metrics))
    return TextTable(headings, frozenset(range(len(headings))) - {2}, rows)


def verdict_text(row: dict[str, Any]) -> str:
    """The verdict; an equivalence whose difference is still not zero says so."""
    return f"{row['verdict']}{' (not zero)' if row['verdict'] == 'equivalent' and row['p_corrected'] <= ALPHA else ''}"


def difference(value: float, scale: str) -> str:
    """A difference with its unit: points (percentage points), a ratio, or epochs."""
    if math.isnan(value):
        return "-"
    if scale == "log":
        return f"x {value:.3g}"
    return f"{100 * value:+.2f} pt" if scale == "share" else f"{value:+.1f} ep"


def interval(row: dict[str, Any]) -> str:
    """The 95% interval in the unit of the difference."""
    low, high, scale = row["ci_low"], row["ci_high"], row["scale"]
    if math.isnan(low) or math.isnan(high):
        return "-"
    if scale == "log":
        return f"[{low:.3g}, {high:.3g}]"
    factor, digits = (100, 2) if scale == "share" else (1, 1)
    return f"[{factor * low:+.{digits}f}, {factor * high:+.{digits}f}]"


def p_text(value: float) -> str:
    """A p-value to two digits."""
    if math.isnan(value):
        return "-"
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"


def level(value: float, scale: str) -> str:
    """A loss's own value in its unit."""
    if math.isnan(value):
        return "-"
    if scale == "share":
        return f"{100 * value:.2f}%"
    return f"{value:.3g}" if scale == "log" else f"{value:.1f}"


def markdown(headings: Sequence[str], words: Collection[int], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the columns at the positions `words` stand left, those of figures right."""
    rules = ["---" if position in words else "---:" for position in range(len(headings))]
    cells = [[" ".join(text.replace("|", "\\|").split()) for text in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, rules, *cells))


def terminal(table: TextTable) -> str:
    """Aligned columns, a blank line where the first column changes."""
    widths = [max(len(line[i]) for line in (table.headings, *table.rows)) for i in range(len(table.headings))]
    lines = [_aligned(table.headings, widths, table.words), "  ".join("-" * width for width in widths)]
    for previous, row in zip([None, *table.rows], table.rows, strict=False):
        if previous and previous[0] != row[0]:
            lines.append("")
        lines.append(_aligned(row, widths, table.words))
    return "\n".join(lines)


def _aligned(row: Sequence[str], widths: Sequence[int], words: Collection[int]) -> str:
    parts = [
        text.ljust(width) if position in words else text.rjust(width)
        for position, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(parts).rstrip()


def _more(value: float) -> str:
    if math.isnan(value):
        return ""
    return "no number would" if math.isinf(value) else f"{value:.0f}"
