"""Forest plots: effects with their intervals, and the region of practical equivalence behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.comparison.result import Result, result_table
from analysis.metrics import AT_DEFAULT, GRID_AVERAGE, TUNED, Scale, title_of
from analysis.report.arms import ArmStyle
from analysis.report.figures.style import EQUIVALENT, INK, Drawing, PlainLog, panels
from analysis.report.formatting import seeds_text

_AXES: dict[Scale, str] = {
    "share": "{0} minus {1} (pt)",
    "log": "{0} / {1} (ratio)",
    "epochs": "{0} minus {1} (epochs)",
}
_SHORT: dict[str | None, str] = {GRID_AVERAGE: "grid", AT_DEFAULT: "default"}
# Inches. All forests have one width, and their axes stand under each other whatever the names beside them.
_WIDTH, _NAMES, _RIGHT, _TOP, _BOTTOM, _ROW = 5.1, 2.35, 0.15, 0.28, 0.46, 0.26
MECHANISMS: dict[Scale, str] = {
    "share": "Activity in training",
    "log": "Variances, gradient",
    "epochs": "Decay time",
}


def effect_groups(results: Iterable[Result]) -> dict[tuple[str, Scale], list[Result]]:
    """Which results of a comparison stand on one axis: by kind, ``performance`` or ``mechanism``, and scale.

    Tuned ones and averages over the grid that have verdicts; of metrics that repeat the question, tuned ones alone.
    """
    shown = [
        result
        for result in results
        if result.n > 1
        and not result.is_shown
        and (result.estimand == TUNED or (result.estimand == GRID_AVERAGE and result.family != "secondary"))
    ]
    return by_axis(shown)


def by_axis(results: Iterable[Result]) -> dict[tuple[str, Scale], list[Result]]:
    """Results by kind, ``performance`` or ``mechanism``, and scale: those that can stand on one axis."""
    groups: dict[tuple[str, Scale], list[Result]] = {}
    for result in results:
        kind = "mechanism" if result.family == "mechanism" else "performance"
        groups.setdefault((kind, result.scale), []).append(result)
    return groups


def effects(results: Sequence[Result], styles: Mapping[str, ArmStyle]) -> Drawing:
    """A forest plot of one pair of arms and scale.

    Args:
        results: In the order to be shown from the top, not empty: one of `by_axis`.
        styles: Of both arms.
    """
    title = MECHANISMS[results[0].scale] if results[0].family == "mechanism" else "Performance"
    if len({(result.metric, result.estimand) for result in results}) == 1 < len(results):
        title = f"{title_of(results[0].metric)}, {results[0].estimand}"
    elif len({result.estimand for result in results}) == 1:
        title = f"{title}, {_short(results[0])}"
    columns = ["metric", "estimand", "n", "difference", "ci_low", "ci_high", "p_corrected", "verdict"]
    labels = _labels(results)
    alt = "; ".join(f"{label}: {result.verdict}" for label, result in zip(labels, results, strict=True))
    counts: dict[str, list[int]] = {}
    for result in results:
        counts.setdefault(str(result.estimand), []).append(result.n)
    n = ", ".join(f"{seeds_text(numbers)} ({estimand})" for estimand, numbers in counts.items())
    return Drawing(forest(results, labels, title, styles), result_table(results)[columns], alt, n)


def _labels(results: Sequence[Result]) -> list[str]:
    """What is compared, where several are at which place, and on which dataset; what all have in common is left out."""
    several = len({result.estimand for result in results}) > 1
    of_metric = [f"{title_of(each.metric)}{f', {_short(each)}' if several else ''}" for each in results]
    datasets = [str(result.dataset) for result in results]
    if len(set(datasets)) == 1:
        return of_metric
    if len(set(of_metric)) == 1:
        return datasets
    return [f"{dataset}, {label}" for dataset, label in zip(datasets, of_metric, strict=True)]


def _short(result: Result) -> str:
    return _SHORT.get(result.estimand, str(result.estimand))


def forest(results: Sequence[Result], labels: Sequence[str], title: str, styles: Mapping[str, ArmStyle]) -> Figure:
    """Effects of one comparison on one scale, each on the region of practical equivalence of its metric.

    Args:
        results: In the order to be shown from the top, not empty.
        labels: A name for each.
        title: Of the panel.
        styles: Of both arms.
    """
    arms, scale = results[0].arms, results[0].scale
    factor = _factor(scale)
    neutral = 1.0 if scale == "log" else 0.0
    height = _TOP + _BOTTOM + _ROW * len(results)
    frame = {
        "left": _NAMES / _WIDTH,
        "right": 1 - _RIGHT / _WIDTH,
        "bottom": _BOTTOM / height,
        "top": 1 - _TOP / height,
    }
    with panels(1, _WIDTH, height, frame) as (figure, [axes]):
        heights = np.arange(len(results))[::-1]
        _draw_regions(axes, results, heights.tolist())
        axes.axvline(neutral, color="#888888", linewidth=0.8, zorder=1)
        for at, result in zip(heights, results, strict=True):
            side = result.judged.side
            colour = styles[side].colour if side else INK
            low, high = factor * result.ci_low, factor * result.ci_high
            if math.isfinite(low) and math.isfinite(high):
                axes.plot([low, high], [at, at], color=colour, linewidth=1.6)
            inside = colour if side else "white"
            axes.plot(factor * result.difference, at, "o", color=colour, markersize=5, markerfacecolor=inside)
        axes.set_yticks(heights, list(labels))
        axes.set_ylim(-0.7, len(results) - 0.3)
        axes.tick_params(axis="y", length=0)
        if scale == "log":
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(PlainLog())
            axes.xaxis.set_minor_formatter(PlainLog(minor_thresholds=(1.2, 0.4)))
        axes.set_xlabel(_AXES[scale].format(*arms))
        axes.set_title(title)
        return figure


def _draw_regions(axes: Axes, results: Sequence[Result], heights: Sequence[float]) -> None:
    """One band where all metrics have the same region, else one behind each row."""
    regions = [_region(result) for result in results]
    if len(set(regions)) == 1:
        axes.axvspan(*regions[0], color=EQUIVALENT, zorder=0, label="practical equivalence")
        return
    for height, (low, high) in zip(heights, regions, strict=True):
        axes.barh(height, high - low, 1.0, low, color=EQUIVALENT, linewidth=0, zorder=0)


def _region(result: Result) -> tuple[float, float]:
    """The ends of the region on the axis."""
    if result.scale == "log":
        return math.exp(-result.rope), math.exp(result.rope)
    half = _factor(result.scale) * result.rope
    return -half, half


def _factor(scale: Scale) -> float:
    """From the unit of the test to that of the axis: shares are drawn in points."""
    return 100.0 if scale == "share" else 1.0
