"""Numbers as people read them, with their units."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from analysis.comparison.result import Result
from analysis.metrics import Metric, Scale, with_own_rope


def difference_text(value: float, scale: Scale) -> str:
    """A difference with its unit: points (percentage points), a ratio, or epochs."""
    if math.isnan(value):
        return "-"
    if scale == "log":
        return f"x {value:.3g}"
    return f"{100 * value:+.2f} pt" if scale == "share" else f"{value:+.1f} ep"


def interval_text(result: Result) -> str:
    """The 95% interval in the unit of the difference."""
    return bounds_text(result.ci_low, result.ci_high, result.scale)


def bounds_text(low: float, high: float, scale: Scale) -> str:
    """An interval in the unit of a difference; a dash where it is not finite."""
    if not (math.isfinite(low) and math.isfinite(high)):
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


def deciding_p_text(value: float, test: str | None) -> str:
    """The p-value behind a verdict, and of which test it is; a dash where none rejects."""
    return f"{p_text(value)} ({test})" if test else "-"


def mean_text(value: float, scale: Scale) -> str:
    """An arm's own value in its unit."""
    if math.isnan(value):
        return "-"
    if scale == "share":
        return f"{100 * value:.2f}%"
    return f"{value:.3g}" if scale == "log" else f"{value:.1f}"


def own_regions_text(metrics: Iterable[Metric]) -> str:
    """The regions of practical equivalence that are not those of their scale; empty where there are none."""
    names: dict[str, list[str]] = {}
    for metric in with_own_rope(metrics):
        names.setdefault(_region_text(metric), []).append(metric.title)
    return ", ".join(f"{region} for {' and '.join(having)}" for region, having in names.items())


def _region_text(metric: Metric) -> str:
    if metric.scale == "log":
        return f"a factor of {math.exp(metric.rope):.4g}"
    if metric.scale == "share":
        return f"\u00b1{100 * metric.rope:.4g} pt"
    return f"\u00b1{metric.rope:.4g} epochs"


def range_text(counts: Collection[int]) -> str:
    """Numbers of seeds: one number, or from the least to the most."""
    if not counts:
        return "-"
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def seeds_text(counts: Collection[int]) -> str:
    """How many seeds, in words: ``13 seeds``, or ``10 to 13 seeds`` where it differs."""
    return f"{range_text(counts)} seed{'' if set(counts) == {1} else 's'}"


def more_seeds_text(value: float) -> str:
    """How many more seeds would decide; empty where that is no question."""
    if math.isnan(value):
        return ""
    return "no number would" if math.isinf(value) else f"{value:.0f}"


def each_dataset(texts: dict[str, str]) -> str:
    """One text where all datasets have the same, else each with its dataset."""
    if len(set(texts.values())) <= 1:
        return next(iter(texts.values()), "none")
    return "; ".join(f"{text} ({dataset})" for dataset, text in texts.items())
