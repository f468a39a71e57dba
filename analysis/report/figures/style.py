"""What all panels share: colours, sizes, what a drawing says of itself, and how it becomes SVG."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from analysis.parameters import ARM
from analysis.report.arms import ArmStyle

WIDTH = 3.3  # inches: three panels stand side by side on a page
CLASS_COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#000000", "#7A5195", "#8C8C8C"),
)
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
INK, FAINT = "#222222", "#DDDDDD"
EQUIVALENT = "#E8E8E8"  # the region of practical equivalence
_SCREEN_DPI = 110
_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "text.parse_math": False,  # names may hold dollar signs
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


class StyledFigure(Figure):
    """A figure in the style of the report, wherever and in whatever format it is saved; Jupyter shows it.

    In PDF its letters are TrueType, as publishers ask for; in SVG they are text. It grows where they would be cut off.
    """

    def savefig(self, fname: Any, *, transparent: bool | None = None, **options: Any) -> None:
        """As matplotlib's: ``figure.savefig("forest.pdf")``."""
        room = {"bbox_inches": "tight", "pad_inches": 0.03, **options}
        with mpl.rc_context(_RC):  # type: ignore[arg-type]
            super().savefig(fname, transparent=transparent, **room)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=_SCREEN_DPI)
        return buffer.getvalue()


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
    """A figure cannot be drawn; the message says why."""


class PlainLog(LogFormatter):
    """Ticks of a logarithmic axis as people write numbers: 0.4, not 4e-01, and 10⁶, not 1e+06."""

    def _num_to_string(self, x: float, vmin: float, vmax: float) -> str:
        mantissa, _, exponent = f"{x:.0e}".partition("e")
        if 1e-3 <= x < 1e4 or mantissa != "1":
            return f"{x:g}"
        return f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


@contextmanager
def panel(width: float = WIDTH, height: float = 2.5) -> Iterator[tuple[Figure, Axes]]:
    """A figure in inches with one axis, in the style of the report."""
    with panels(1, width, height) as (figure, axes):
        yield figure, axes[0]


@contextmanager
def panels(
    columns: int,
    width: float,
    height: float = 2.5,
    frame: Mapping[str, float] | None = None,
    widths: Sequence[float] | None = None,
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure in inches with axes side by side, in the style of the report.

    They have one y axis, unless `widths` says how wide each is beside the others. Their labels find their room, unless
    `frame` says where the axes stand, as `Figure.subplots_adjust` takes it.
    """
    with mpl.rc_context(_RC):  # type: ignore[arg-type]
        figure = StyledFigure(figsize=(width, height), layout=None if frame else "constrained")
        if frame:
            figure.subplots_adjust(**frame)
        yield figure, list(figure.subplots(1, columns, sharey=widths is None, squeeze=False, width_ratios=widths)[0])


def as_svg(figure: Figure, salt: str) -> str:
    """The figure as SVG text; the same figure gives the same text."""
    buffer = io.StringIO()
    with mpl.rc_context({**_RC, "svg.hashsalt": salt}):  # type: ignore[dict-item]
        figure.savefig(buffer, format="svg", bbox_inches=None, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def band(axes: Axes, rows: pd.DataFrame, x: str, styles: Mapping[str, ArmStyle], legend: bool = True) -> None:
    """A line of means with its band for each arm; columns ``loss``, `x`, ``mean``, ``low`` and ``high``.

    Where ``low`` and ``high`` are NaN, as they are of a single seed, there is no band. If there are columns
    ``band_low`` and ``band_high``, a lighter one stands behind it.
    """
    for arm, style in styles.items():
        own = rows[rows[ARM] == arm].sort_values(x)
        if len(own):
            marker = "o" if len(own) <= 12 else None
            axes.plot(own[x], own["mean"], style.line, color=style.colour, label=arm, marker=marker, markersize=4.5)
            fill_bands(axes, own, x, style.colour)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    if legend:
        axes.legend(fontsize=8)


def bars(axes: Axes, rows: pd.DataFrame, x: str, styles: Mapping[str, ArmStyle]) -> None:
    """As `band`, for few points: each has its interval as a bar, and thin lines say which belong together."""
    span = float(rows[x].max() - rows[x].min())
    for place, (arm, style) in enumerate(styles.items()):
        own = rows[rows[ARM] == arm].sort_values(x)
        if len(own):
            beside = own[x] + (place - (len(styles) - 1) / 2) * 0.02 * span  # bars of both arms can be told apart
            axes.plot(beside, own["mean"], style.line, color=style.colour, linewidth=0.8, alpha=0.6)
            axes.plot(beside, own["mean"], "o", color=style.colour, label=arm, markersize=4.5)
            axes.vlines(beside, own["low"], own["high"], color=style.colour, linewidth=1.6)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.legend(fontsize=8)


def fill_bands(axes: Axes, rows: pd.DataFrame, x: str, colour: str, factor: float = 1.0) -> None:
    """The intervals of one line and, lighter and with an edge, its simultaneous band if it has one; times a factor."""
    if "band_low" in rows:
        low, high = factor * rows["band_low"], factor * rows["band_high"]
        axes.fill_between(rows[x], low, high, color=colour, alpha=0.10, linewidth=0)
        axes.plot(rows[x], low, rows[x], high, color=colour, alpha=0.45, linewidth=0.6)
    axes.fill_between(rows[x], factor * rows["low"], factor * rows["high"], color=colour, alpha=0.18, linewidth=0)
