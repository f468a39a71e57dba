"""Figures of a search: how much each hyperparameter matters, and the map of margins and learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize

from analysis.comparison.levels import range_words, rounded
from analysis.metrics import SELECTION
from analysis.parameters import ARM
from analysis.report.arms import ArmStyle
from analysis.report.figures.marks import Column, add_columns
from analysis.report.figures.style import FAINT, INK, WIDTH, Drawing, NothingToDrawError, panel, panels
from analysis.report.formatting import range_text, seeds_text

_WORDS = {"lr": "learning rate", "normalize": "normalisation"}
_COLOURS = colormaps["viridis"]  # the colour-blind read it as well
_CELL = 0.36, 0.28  # inches
_LEAST_HEIGHT = 1.4  # of a map: the name of its scale stands beside it
_MOST_NUMBERS = 100  # cells of a map: more are no numbers to be read one by one
_LONG = 4.5  # letters that fit under a cell


@dataclass(frozen=True, eq=False)
class SearchTables:
    """What is drawn here.

    Attributes:
        importances: As `importances` gives them.
        landscape: As `landscape` gives it.
        styles: Of each arm of the study.
    """

    importances: pd.DataFrame
    landscape: pd.DataFrame
    styles: Mapping[str, ArmStyle]


def importance_dots(rows: pd.DataFrame, styles: Mapping[str, ArmStyle]) -> Drawing:
    """The importance of each hyperparameter with its interval, all arms on one axis.

    Args:
        rows: Of `importances`, those of one dataset, at least one.
        styles: Of each arm of the study.
    """
    names = list(dict.fromkeys(rows["parameter"]))
    arms = [arm for arm in styles if arm in set(rows[ARM])]
    with panel(WIDTH, 0.95 + 0.19 * len(names) * (len(arms) + 0.5)) as (figure, axes):
        for place, arm in enumerate(arms):
            own = rows[rows[ARM] == arm]
            shift = ((len(arms) - 1) / 2 - place) * 0.6 / len(arms)
            heights = [shift - names.index(name) for name in own["parameter"]]
            low, high = (100 * own[end].clip(0.0, 1.0) for end in ("low", "high"))
            colour = styles[arm].colour
            axes.hlines(heights, low, high, color=colour, linewidth=1.6)
            axes.plot(100 * own["importance"], heights, "o", color=colour, markersize=5, label=arm)
        axes.set_yticks(-np.arange(len(names)), [_word(name) for name in names])
        axes.set_ylim(0.5 - len(names), 0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 100)
        axes.grid(axis="x", color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("variance explained alone (%)")
        figure.legend(loc="outside upper left", ncols=len(arms), fontsize=8, handletextpad=0.1, columnspacing=1.2)
    said = [f"{_word(row['parameter'])} {row['importance']:.0%} ({row[ARM]})" for row in rows.to_dict("records")]
    n = f"{seeds_text(rows['n'].tolist())}, {range_text(rows['settings'].tolist())} settings each"
    alt = f"Share of the variance of validation MAP@R by hyperparameter: {', '.join(said)}"
    return Drawing(figure, rows.drop(columns="dataset"), alt, n, _about(rows, arms))


def _word(name: str) -> str:
    return _WORDS.get(name, name.replace("_", " "))


def _about(rows: pd.DataFrame, arms: Sequence[str]) -> str:
    """The variance that is shared out, and at which epoch it was measured."""
    of_arm = {row[ARM]: row for row in rows.to_dict("records")}
    spreads = ", ".join(f"{100 * of_arm[arm]['spread']:.1f} pt for {arm}" for arm in arms)
    text = f"Standard deviation of MAP@R over a seed's settings: {spreads}."
    rungs = {rung: [arm for arm in arms if of_arm[arm]["rung"] == rung] for rung in sorted(set(rows["rung"]) - {0})}
    for rung, own in rungs.items():
        whose = "" if own == list(arms) else f" of {' and '.join(own)}"
        text += f" Scores{whose} at epoch {rung}, the first rung: before halving stopped any."
    return text


def margin_rate_map(rows: pd.DataFrame, styles: Mapping[str, ArmStyle]) -> Drawing:
    """Validation MAP@R by margin and learning rate, a map for each arm, on one scale of colours.

    Args:
        rows: Of `landscape`, those of one dataset, at least one.
        styles: Of each arm of the study.

    Raises:
        NothingToDrawError: If no run has a validation score.
    """
    if rows["validation"].isna().all():
        raise NothingToDrawError(f"no run has {SELECTION}")
    own = {arm: rows[rows[ARM] == arm] for arm in styles if arm in set(rows[ARM])}
    columns = [part["margin"].nunique() for part in own.values()]
    height = max(part["lr"].nunique() for part in own.values())
    scale = Normalize(100 * rows["validation"].min(), 100 * rows["validation"].max())
    size = _CELL[0] * sum(columns) + 0.5 * len(own) + 0.9, max(_CELL[1] * height, _LEAST_HEIGHT) + 0.95
    with panels(len(own), *size, widths=columns) as (figure, row):
        for axes, (arm, cells) in zip(row, own.items(), strict=True):
            mesh = _draw_map(axes, cells, scale)
            axes.set_title(arm, color=styles[arm].colour)
            on = styles[arm].margin_on
            axes.set_xlabel(f"margin on {on}" if on else "margin")
        row[0].set_ylabel("learning rate")
        bar = figure.colorbar(mesh, ax=row, label="validation MAP@R (%)", pad=0.02, aspect=14)
        bar.outline.set_visible(False)  # type: ignore[operator]
    filled = rows[rows["n"] > 0]
    scored = filled.dropna(subset="validation").sort_values("validation")
    best = scored.drop_duplicates(ARM, keep="last").sort_values(ARM)
    said = "; ".join(
        f"{100 * cell['validation']:.1f}% ({cell[ARM]}, margin {cell['margin']:.2g}, rate {cell['lr']:.2g})"
        for cell in best.to_dict("records")
    )
    runs = range_text(filled["runs"].tolist())
    note = f"A cell holds {runs} run{'' if runs == '1' else 's'}."
    empty = len(rows) - len(filled)
    note += f" Hatched: {empty} cell{'' if empty == 1 else 's'} without one." if empty else ""
    alt = f"Mean validation MAP@R by margin and learning rate, a map for each loss; the highest: {said}"
    return Drawing(figure, rows.drop(columns="dataset"), alt, seeds_text(filled["n"].tolist()), note)


def _draw_map(axes: Axes, cells: pd.DataFrame, scale: Normalize) -> QuadMesh:
    """The cells of one arm, those without a run hatched."""
    table = 100 * cells.pivot(index="lr", columns="margin", values="validation")
    values = np.ma.masked_invalid(table.to_numpy(float))
    axes.patch.set(facecolor="#F4F4F4", edgecolor="#C4C4C4", hatch="////", linewidth=0)
    mesh = axes.pcolormesh(values, cmap=_COLOURS, norm=scale, edgecolors="white", linewidth=1.0)
    for (y, x), value in np.ndenumerate(table.to_numpy(float)) if table.size <= _MOST_NUMBERS else ():
        if np.isfinite(value):
            axes.text(
                x + 0.5,
                y + 0.47,
                f"{value:.1f}",
                ha="center",
                va="center",
                fontsize=7,
                color=_ink_on(float(scale(value))),
            )
    for axis, name in ((axes.xaxis, "margin"), (axes.yaxis, "lr")):
        ticks, labels = _ticks(cells, name)
        axis.set_ticks(ticks, labels)
        axis.set_tick_params(length=2)
        if name == "margin" and any(len(one) + len(next_one) > 2 * _LONG for one, next_one in pairwise(labels)):
            axis.set_tick_params(rotation=40)
    axes.spines[:].set_visible(False)
    add_columns(axes, str(cells[ARM].iloc[0]), _columns(cells), outlined=True)
    return mesh


def _columns(cells: pd.DataFrame) -> list[Column]:
    """The margins of one arm: values of a grid, or the parts of a range, each named by its middle."""
    columns = []
    for place, level in enumerate(cells.drop_duplicates("margin").sort_values("margin").to_dict("records")):
        ends = level["margin_low"], level["margin_high"]
        middle = float(rounded(level["margin"], 2)) if ends[0] < ends[1] else level["margin"]
        columns.append(Column(middle, (place, place + 1), f"margin {range_words(ends)}"))
    return columns


def _ticks(cells: pd.DataFrame, name: str) -> tuple[list[float], list[str]]:
    """Names of levels: under each value of a grid, or where the parts of a range begin and end."""
    levels = cells.drop_duplicates(name).sort_values(name)
    lows, highs = levels[f"{name}_low"].tolist(), levels[f"{name}_high"].tolist()
    if lows == highs:
        return [place + 0.5 for place in range(len(lows))], [f"{level:g}" for level in lows]
    ends = [*lows, highs[-1]]
    return [float(place) for place in range(len(ends))], [rounded(end, 2) for end in ends]


def _ink_on(shade: float) -> str:
    """Letters that can be read on a colour of the scale."""
    red, green, blue, _ = _COLOURS(shade)
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
