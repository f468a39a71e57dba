"""Which margin of which arm, or which miner, something shown is of, so that a page can mark the same elsewhere."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes

from analysis.conclusions.seed_means import at_levels, levels_by_arm
from analysis.parameters import ARM

Marks = dict[str, str]
"""By what is marked, ``margin`` or ``miner``, which one; several with a bar between them."""
_BAR = "|"
_SPAN, _OUTLINE = "margin ", "outline of margin "  # begin the names of columns in an SVG


def margin_mark(arm: str, margin: float) -> str:
    """Names a margin of an arm: each arm has its own."""
    return f"{arm} {margin:g}"


def marks_of(runs: pd.DataFrame, tried: pd.DataFrame) -> list[Marks]:
    """The marks of each of some runs. A margin that was drawn from a range has that of its fifth, as in the figures.

    Args:
        runs: Runs of one dataset.
        tried: All of its runs, or those that are compared.
    """
    levels = {"margin": levels_by_arm(tried, "margin")}
    margins = at_levels(runs.astype({"margin": float}), levels)["margin"]
    named = zip(runs[ARM], margins, runs["miner"], strict=True)
    return [{"margin": margin_mark(arm, margin), "miner": str(miner)} for arm, margin, miner in named]


def together(parts: Sequence[Marks]) -> Marks:
    """The marks of something that is of several runs."""
    return {kind: _BAR.join(dict.fromkeys(part[kind] for part in parts)) for kind in ("margin", "miner")}


@dataclass(frozen=True)
class Column:
    """What a figure shows at one margin.

    Attributes:
        margin: Which one.
        ends: From where to where it goes on the x axis.
        said: What stands there, in words and numbers without a bar.
    """

    margin: float
    ends: tuple[float, float]
    said: str


def add_columns(axes: Axes, arm: str, columns: Sequence[Column], outlined: bool = False) -> None:
    """Unseen columns over an axis, which say what stands there, and which a page shows when their margin is marked.

    Args:
        axes: Whose x axis has the margins.
        arm: Of the margins.
        columns: One a margin.
        outlined: Whether only their outlines are to be seen then, because colours below them mean something.
    """
    limits = axes.get_xlim()
    for column in columns:
        name = f"{_OUTLINE if outlined else _SPAN}{margin_mark(arm, column.margin)}{_BAR}{column.said}"
        below = 2.5 if outlined else 0.5  # letters, or lines and bands
        axes.axvspan(*column.ends, facecolor="none", edgecolor="none", linewidth=0, zorder=below, gid=name)
    axes.set_xlim(limits)


def between(margins: Sequence[float], logarithmic: bool) -> list[tuple[float, float]]:
    """From where to where the column of each of some ascending margins goes: half-way to the next ones."""
    if len(margins) < 2:
        return [(0.5 * margin, 2.0 * margin) if logarithmic else (margin - 0.5, margin + 0.5) for margin in margins]
    values = pd.Series(margins, dtype=float)
    if logarithmic:
        inner = (values * values.shift()).pow(0.5).dropna().tolist()
        outer = values.iloc[0] ** 2 / inner[0], values.iloc[-1] ** 2 / inner[-1]
    else:
        inner = values.rolling(2).mean().dropna().tolist()
        outer = 2 * values.iloc[0] - inner[0], 2 * values.iloc[-1] - inner[-1]
    ends = [float(outer[0]), *inner, float(outer[1])]
    return list(pairwise(ends))


def with_marks(svg: str) -> str:
    """An SVG whose groups say what they are of, and have no names, for a page with many of them."""
    return re.sub(r"""<g id=("[^"]*"|'[^']*')>?""", _marked, svg)


def _marked(group: re.Match[str]) -> str:
    name, end = html.unescape(group[1][1:-1]), ">" * group[0].endswith(">")
    for begins, kind in ((_SPAN, ""), (_OUTLINE, ' class="outline"')):
        if name.startswith(begins):
            mark, _, said = name.removeprefix(begins).rpartition(_BAR)
            title = f"<title>{html.escape(said)}</title>" if end else ""
            return f'<g{kind} data-margin="{html.escape(mark)}"{end}{title}'
    return f"<g{end}"
