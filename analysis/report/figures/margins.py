"""Figures of the margins: what a loss does at each of its own."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from analysis.comparison.comparisons import Comparison
from analysis.comparison.levels import Levels
from analysis.comparison.settings import halves
from analysis.conclusions.seed_means import at_levels, levels_by_arm, seed_means
from analysis.metrics import METRICS, SCORE, Metric, Scale
from analysis.parameters import ARM
from analysis.report.arms import pair_styles
from analysis.report.figures.marks import Column, add_columns, between
from analysis.report.figures.style import FAINT, WIDTH, Drawing, NothingToDrawError, PlainLog, band, panels
from analysis.report.formatting import mean_text, seeds_text

OVER_MARGINS = (SCORE, *(metric for metric in METRICS if metric.family == "mechanism"))
_UNITS: dict[Scale, str] = {"share": "share", "log": "", "epochs": "epochs"}
# One for all of them, however wide the numbers at the side: they are read side by side.
_FRAME = {"left": 0.2, "right": 0.97, "top": 0.82, "bottom": 0.19, "wspace": 0.12}
_MOST_TICKS = 4  # more names of margins would run into each other


def margins(metric: Metric, comparison: Comparison) -> Drawing | None:
    """A metric by margin, each arm on an axis of its own: their margins need not be on one scale.

    Raises:
        NothingToDrawError: If no run has the metric.
    """
    styles = pair_styles(comparison)
    if comparison.runs["margin"].nunique() < 2:
        return None
    rows = margin_curves(comparison, metric)
    with panels(len(comparison.arms), WIDTH, 2.5, _FRAME) as (figure, row):
        for axes, (arm, style) in zip(row, styles.items(), strict=True):
            own = rows[rows[ARM] == arm]
            axes.set_title(arm, color=style.colour)
            axes.set_xlabel(f"margin on {style.margin_on}" if style.margin_on else "margin")
            axes.grid(axis="y", color=FAINT, linewidth=0.6)
            if len(own):
                band(axes, own, "margin", styles, legend=False)
                levels = sorted(own["margin"])
                _name_margins(axes, levels)
                add_columns(axes, arm, _columns(own, metric.scale, axes.get_xscale() == "log"))
        figure.suptitle(_capital(metric.title), x=0.02, y=0.985, ha="left", fontsize=9.5, fontweight="bold")
        row[0].set_ylabel(_UNITS[metric.scale])
        if metric.scale == "log":
            row[0].set_yscale("log")
            row[0].yaxis.set_major_formatter(PlainLog())
            row[0].yaxis.set_minor_formatter(PlainLog(minor_thresholds=(1.2, 0.4)))
    apart = len({style.margin_on for style in styles.values()}) > 1
    alt = f"{metric.title} by margin, a panel for each loss{'; the margins are not on one scale' if apart else ''}"
    return Drawing(figure, rows, alt, seeds_text(rows["n"].tolist()), _note(comparison))


def _columns(rows: pd.DataFrame, scale: Scale, logarithmic: bool) -> list[Column]:
    """The margins of one arm, each with the mean there, its interval and the number of seeds."""
    points = rows.sort_values("margin").to_dict("records")
    ends = between([point["margin"] for point in points], logarithmic)
    return [
        Column(point["margin"], where, f"margin {point['margin']:g}: {_point_text(point, scale)}")
        for point, where in zip(points, ends, strict=True)
    ]


def _point_text(point: dict[Hashable, Any], scale: Scale) -> str:
    mean, low, high = (mean_text(point[name], scale) for name in ("mean", "low", "high"))
    return f"{mean}{f' [{low}, {high}]' if point['n'] > 1 else ''}, {seeds_text([point['n']])}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _note(comparison: Comparison) -> str:
    """What a point stands for, where seeds drew their margins."""
    if not any(levels.drawn for levels in _levels(comparison).values()):
        return ""
    alone = ", and of that the runs that were trained to the end" if halves(comparison.tried) else ""
    return f"A point is a fifth of the range that seeds drew from{alone}."


def _levels(comparison: Comparison) -> dict[str, Levels]:
    """The margins of each arm."""
    return levels_by_arm(comparison.tried, "margin")


def margin_curves(comparison: Comparison, metric: Metric) -> pd.DataFrame:
    """A metric of each arm by margin, other conditions averaged within each seed.

    Returns:
        Columns ``loss``, ``margin``, ``n`` (seeds), ``mean``, ``low`` and ``high`` (95% t interval over seeds; NaN for
        a single seed). Metrics compared by their logarithm have geometric means. Diverged runs stay out. Where seeds
        drew margins from a range, ``margin`` is the middle of each of its fifths, to two digits.

    Raises:
        NothingToDrawError: If no run has the metric.
    """
    rows = seed_means(at_levels(comparison.runs, {"margin": _levels(comparison)}), [ARM, "margin"], metric)
    if rows.empty:
        raise NothingToDrawError(f"no run has {metric.column}")
    return rows


def _name_margins(axes: Axes, levels: list[float]) -> None:
    """Ticks at the margins, on a logarithmic axis where they span a wide range."""
    if levels[0] > 0 and levels[-1] > 4 * levels[0]:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    step = -(-len(levels) // _MOST_TICKS)
    shown = levels[::step]
    axes.set_xticks(shown, [f"{level:g}" for level in shown])
    axes.margins(x=0.12)
