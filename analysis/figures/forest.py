"""Forest plots: effects with their intervals, and the region of practical equivalence behind them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.comparison import rows_of
from analysis.figures.style import COLOURS, INK, PlainLog, panel
from analysis.metrics import ROPE, Scale

AXES: dict[Scale, str] = {
    "share": "triplet minus contrastive (pt)",
    "log": "triplet / contrastive (ratio)",
    "epochs": "triplet minus contrastive (epochs)",
}
MECHANISMS: dict[Scale, str] = {
    "share": "Activity in training",
    "log": "Variances and gradient",
    "epochs": "Decay time",
}


def forest(rows: pd.DataFrame, scale: Scale, title: str) -> Figure:
    """Effects of one dataset on one scale.

    Args:
        rows: Of a verdict table, in the order to be shown from the top; ``label`` names each.
        scale: Of all of them.
        title: Of the panel.
    """
    factor = 100.0 if scale == "share" else 1.0
    neutral = 1.0 if scale == "log" else 0.0
    rope = (math.exp(-ROPE["log"]), math.exp(ROPE["log"])) if scale == "log" else (-ROPE[scale], ROPE[scale])
    with panel(3.6, 0.75 + 0.24 * len(rows)) as (figure, axes):
        axes.axvspan(factor * rope[0], factor * rope[1], color="#E8E8E8", zorder=0, label="practical equivalence")
        axes.axvline(neutral, color="#888888", linewidth=0.8, zorder=1)
        heights = np.arange(len(rows))[::-1]
        for height, row in zip(heights, rows_of(rows), strict=True):
            side = row["verdict"].split(",")[0]
            colour = COLOURS.get(side, INK)
            low, high = factor * row["ci_low"], factor * row["ci_high"]
            if math.isfinite(low) and math.isfinite(high):
                axes.plot([low, high], [height, height], color=colour, linewidth=1.6)
            inside = colour if side in COLOURS else "white"
            at = factor * row["difference"]
            axes.plot(at, height, "o", color=colour, markersize=5, markerfacecolor=inside)
        axes.set_yticks(heights, list(rows["label"]))
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.tick_params(axis="y", length=0)
        if scale == "log":
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(PlainLog())
            axes.xaxis.set_minor_formatter(PlainLog(minor_thresholds=(1.2, 0.4)))
        axes.set_xlabel(AXES[scale])
        axes.set_title(title)
        return figure
