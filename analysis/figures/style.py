"""What all panels share: colours, sizes, what a drawing says of itself, and how it becomes SVG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

# Okabe and Ito's blue and vermilion, which the colour-blind tell apart; the same for a loss everywhere.
COLOURS = {"triplet": "#0072B2", "contrastive": "#D55E00"}
CLASS_COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#000000", "#7A5195", "#8C8C8C"),
)
LINES = {"triplet": "-", "contrastive": "--"}
INK, FAINT = "#222222", "#DDDDDD"
_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Drawing:
    """A figure and what must stand beside it.

    Attributes:
        figure: The figure.
        data: Its numbers.
        alt: What a reader who cannot see it should know.
        n: What it rests on, in words: ``13 seeds``.
        note: What it leaves out, if anything.
    """

    figure: Figure
    data: pd.DataFrame
    alt: str
    n: str
    note: str = ""


class NothingToDrawError(ValueError):
    """Why a figure cannot be drawn, in words that follow a colon."""


def seeds_text(counts: pd.Series) -> str:
    """How many seeds, in words: ``13 seeds``, or ``10 to 13 seeds`` where it differs."""
    low, high = int(counts.min()), int(counts.max())
    return f"{low} seed{'s' if low != 1 else ''}" if low == high else f"{low} to {high} seeds"


class PlainLog(LogFormatter):
    """Ticks of a logarithmic axis as people write numbers: 0.4, not 4e-01."""

    def _num_to_string(self, x: float, vmin: float, vmax: float) -> str:
        return f"{x:g}"


@contextmanager
def panel(width: float = 3.5, height: float = 2.5) -> Iterator[tuple[Figure, Axes]]:
    """A figure in inches with one axis, in the style of the report."""
    with panels(1, width, height) as (figure, axes):
        yield figure, axes[0]


@contextmanager
def panels(columns: int, width: float, height: float = 2.5) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure in inches with axes side by side, of one y axis, in the style of the report."""
    with mpl.rc_context(_RC):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, list(figure.subplots(1, columns, sharey=True, squeeze=False)[0])


def as_svg(figure: Figure, salt: str) -> str:
    """The figure as SVG text; the same figure gives the same text."""
    buffer = io.StringIO()
    with mpl.rc_context({**_RC, "svg.hashsalt": salt}):  # type: ignore[dict-item]
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def band(axes: Axes, rows: pd.DataFrame, x: str, legend: bool = True) -> None:
    """A line of means with its band for each loss; columns ``loss``, `x`, ``mean``, ``low`` and ``high``.

    Where ``low`` and ``high`` are NaN, as they are of a single seed, there is no band.
    """
    for loss, colour in COLOURS.items():
        mine = rows[rows["loss"] == loss].sort_values(x)
        if len(mine):
            marker = "o" if len(mine) <= 12 else None
            axes.plot(mine[x], mine["mean"], LINES[loss], color=colour, label=loss, marker=marker, markersize=4.5)
            axes.fill_between(mine[x], mine["low"], mine["high"], color=colour, alpha=0.18, linewidth=0)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    if legend:
        axes.legend(fontsize=8)
