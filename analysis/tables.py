"""Tables for people: verdicts, claims and slices as rows of text."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.comparison import rows_of
from analysis.power import ALPHA


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


VERDICT_HEADINGS = (
    *("dataset", "metric", "n", "triplet", "contrastive", "difference", "95% interval", "p (d = 0)", "verdict"),
)


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
            verdict_text(row),
        )
        for row in rows_of(table)
    ]
    return TextTable(VERDICT_HEADINGS, frozenset({0, 1, 8}), rows)


def evidence_rows(table: pd.DataFrame) -> TextTable:
    """Effects, and the corrected p-values that decide: minimum effect, equivalence, difference from zero."""
    headings = ("dataset", "metric", "d_z", "P(triplet > contrastive)", "meaningful")
    tests = {
        "p min. effect": "p_minimum_effect_corrected",
        "p equivalence": "p_equivalence_corrected",
        "p zero": "p_corrected",
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


def claim_rows(table: pd.DataFrame) -> TextTable:
    """Claims by dataset, the source's figure beside ours."""
    headings = (
        "claim",
        "dataset",
        "verdict",
        "n",
        "triplet minus contrastive",
        "95% interval",
        "p (d = 0)",
        "reported",
    )
    rows = []
    for row in rows_of(table):
        if row["dataset"] == "overall":
            rows.append((str(row["claim"]), "overall", str(row["verdict"]), "", "", "", "", str(row["reason"])))
            continue
        reported = "-" if math.isnan(row["reported"]) else difference(row["reported"], row["scale"])
        rows.append(
            (
                str(row["claim"]),
                str(row["dataset"]),
                str(row["verdict"]),
                f"{row['n']:.0f}",
                difference(row["difference"], row["scale"]),
                interval(row),
                p_text(row["p_corrected"]),
                reported + (" (tried there)" if row["in_source"] else ""),
            )
        )
    return TextTable(headings, frozenset({0, 1, 2, 7}), rows)


def overall_rows(table: pd.DataFrame) -> TextTable:
    """Overall verdicts by estimand and metric."""
    headings = ("estimand", "metric", "datasets", "p triplet", "p contrastive", "p equivalent", "overall")
    rows = [
        (
            str(row["estimand"]),
            str(row["metric"]),
            str(row["datasets"]),
            *(p_text(row[f"p_{name}"]) for name in ("triplet", "contrastive", "equivalent")),
            str(row["verdict"]),
        )
        for row in rows_of(table)
    ]
    return TextTable(headings, frozenset({0, 1, 6}), rows)


def sensitivity_rows(table: pd.DataFrame) -> TextTable:
    """Verdicts by half-width of the region of practical equivalence."""
    headings = ("dataset", "metric", *(f"within {name}" for name in table.columns[2:]))
    return TextTable(headings, frozenset(range(len(headings))), [tuple(map(str, row)) for row in table.to_numpy()])


def slice_rows(table: pd.DataFrame) -> TextTable:
    """One row a slice and dataset, one column a metric."""
    if table.empty:
        return TextTable(("dataset", "slice"), frozenset({0, 1}), [])
    wide = table.pivot_table(
        index=["dataset", "slice"], columns="metric", values="verdict", aggfunc="first", sort=False
    )
    rows = [(*map(str, names), *map(str, values)) for names, values in zip(wide.index, wide.to_numpy(), strict=True)]
    headings = ("dataset", "slice", *map(str, wide.columns))
    return TextTable(headings, frozenset(range(len(headings))), rows)


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
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, rules, *rows))


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
    return "any number" if math.isinf(value) else f"{value:.0f}"
