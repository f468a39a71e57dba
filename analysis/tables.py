"""Verdict tables for people: Markdown and plain text."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pandas as pd

from analysis.power import ALPHA
from analysis.verdict_table import rows_of

HEADINGS = ("dataset", "metric", "n", "triplet", "contrastive", "difference", "95% interval", "p (d = 0)", "verdict")
_RIGHT = {"n", "triplet", "contrastive", "difference", "95% interval", "p (d = 0)"}


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A verdict as text: shares in percent and points, ratios with a multiplication sign, epochs as they are."""
    return (
        str(row["dataset"]),
        str(row["metric"]),
        str(row["n"]),
        _level(row["triplet"], row["scale"]),
        _level(row["contrastive"], row["scale"]),
        difference(row["difference"], row["scale"]),
        interval(row),
        p_text(row["p_corrected"]),
        verdict_text(row),
    )


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


def markdown(headings: Sequence[str], words: Collection[int], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the columns at the positions `words` stand left, those of figures right."""
    rules = ["---" if position in words else "---:" for position in range(len(headings))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, rules, *rows))


def markdown_table(table: pd.DataFrame) -> str:
    """The verdicts as a Markdown table."""
    words = {position for position, heading in enumerate(HEADINGS) if heading not in _RIGHT}
    rows = [cells(row) for row in rows_of(table)]
    return markdown(HEADINGS, words, [(*rest, f"**{verdict}**") for *rest, verdict in rows])


def evidence_table(table: pd.DataFrame) -> str:
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
        lines.append((*shown, *(p_text(row[column]) for column in tests.values())))
    return markdown((*headings, *tests), {0, 1, 4}, lines)


def terminal_table(table: pd.DataFrame) -> str:
    """The verdicts in aligned columns, a blank line between datasets."""
    rows = [cells(row) for row in rows_of(table)]
    widths = [max(len(line[i]) for line in [HEADINGS, *rows]) for i in range(len(HEADINGS))]
    lines = [_aligned(HEADINGS, widths), "  ".join("-" * width for width in widths)]
    for previous, row in zip([None, *rows], rows, strict=False):
        if previous and previous[0] != row[0]:
            lines.append("")
        lines.append(_aligned(row, widths))
    return "\n".join(lines)


def _level(value: float, scale: str) -> str:
    if math.isnan(value):
        return "-"
    if scale == "share":
        return f"{100 * value:.2f}%"
    return f"{value:.3g}" if scale == "log" else f"{value:.1f}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    parts = [
        text.rjust(width) if heading in _RIGHT else text.ljust(width)
        for text, width, heading in zip(row, widths, HEADINGS, strict=True)
    ]
    return "  ".join(parts).rstrip()
