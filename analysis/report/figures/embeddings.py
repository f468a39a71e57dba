"""Pictures of embeddings: samples in two dimensions, coloured by class."""

from __future__ import annotations

import textwrap

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.report.arms import ArmStyle
from analysis.report.figures.style import CLASS_COLOURS, INK, WIDTH, Drawing, NothingToDrawError, panel

_CENTRAL = (0.02, 0.98)  # quantiles between which a view must show all
_SIDE = 0.76  # of the square, as a share of the width
_BELOW, _TITLE, _LINE = 1.05, 0.28, 0.155  # inches: of axis and legend, of the name, of a line of the setting
_LETTERS = 44  # of a line
_WIDEST = 1.6  # times their distance that a view may span before it is cut


def embeddings(rows: pd.DataFrame, arm: str, style: ArmStyle) -> Drawing:
    """The embeddings of one run, with equal units on both axes.

    Args:
        rows: Of one comparison and arm, as `chosen_sketches` gives them.
        arm: Which one.
        style: The arm's.

    Raises:
        NothingToDrawError: If no sample has two finite coordinates.
    """
    shown = rows.loc[np.isfinite(rows["x"]) & np.isfinite(rows["y"])]
    if shown.empty:
        raise NothingToDrawError("none was kept of both losses with one seed")
    condition, seed = shown["condition"].iloc[0], shown["seed"].iloc[0]
    centre, half = _view(shown[["x", "y"]].to_numpy(float))
    about = textwrap.wrap(str(condition), _LETTERS)
    height = WIDTH * _SIDE + _BELOW + _TITLE + _LINE * len(about)
    with panel(WIDTH, height) as (figure, axes):
        for position, (label, points) in enumerate(shown.groupby("label")):
            colour = CLASS_COLOURS[position % len(CLASS_COLOURS)]
            axes.plot(points["x"], points["y"], ".", color=colour, markersize=3.5, label=str(label))
        axes.set_xlim(centre[0] - half, centre[0] + half)
        axes.set_ylim(centre[1] - half, centre[1] + half)
        axes.set_aspect("equal")
        axes.set(xlabel="first principal component", ylabel="second principal component")
        axes.locator_params(nbins=5)
        figure.set_layout_engine("none")  # squares of one size, however wide the numbers at their sides
        axes.set_position((0.97 - _SIDE, _BELOW / height, _SIDE, WIDTH * _SIDE / height))
        axes.yaxis.set_label_coords(-0.21, 0.5)
        axes.set_title(arm, color=style.colour, pad=4 + 72 * _LINE * len(about))
        axes.annotate(
            "\n".join(about),
            (0, 1),
            xytext=(0, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
        figure.legend(
            loc="lower center",
            ncols=5,
            fontsize=8,
            handletextpad=0.1,
            columnspacing=1.2,
            markerscale=1.8,
            title="class",
        )
    outside = int((np.abs(shown[["x", "y"]].to_numpy(float) - centre) > half).any(axis=1).sum())
    note = f"{outside} of {len(shown)} samples lie outside the view of {arm}." if outside else ""
    alt = f"Test embeddings of the {arm} loss, {condition}, seed {seed}, coloured by class"
    return Drawing(figure, shown.drop(columns="dataset"), alt, f"one run a loss (seed {seed})", note)


def _view(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
    """Centre [2] and half-width of a square that shows all points, or the central ones if there are far outliers."""
    low, high = points.min(axis=0), points.max(axis=0)
    inner_low, inner_high = np.quantile(points, _CENTRAL, axis=0)
    inner = float((inner_high - inner_low).max())
    if 0 < inner * _WIDEST < float((high - low).max()):
        low, high = inner_low - 0.15 * inner, inner_high + 0.15 * inner
    return (low + high) / 2, max(0.53 * float((high - low).max()), 1e-9)
