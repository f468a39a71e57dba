"""Every panel of a study's report, by section."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from analysis.curves import DYNAMICS, VARIANCES
from analysis.figures.conditions import decay, margins, tuning_effort
from analysis.figures.embeddings import embeddings
from analysis.figures.forest import MECHANISMS, forest
from analysis.figures.style import Drawing, NothingToDrawError, PlainLog, as_svg, band, panel, seeds_text
from analysis.metrics import ROPE, Scale
from analysis.pairing import LOSSES, repeats, settings
from analysis.tuning import TUNING_SEEDS
from analysis.verdict_table import TUNED

_CURVES = {
    "train/loss": ("Training loss", "mean over candidates"),
    "train/active_ratio": ("Active ratio", "active candidates (share)"),
    "train/grad_norm": ("Gradient norm", "L2 norm"),
    "test/intra_variance": ("Intra-class variance, test data", "squared distance"),
    "test/inter_variance": ("Inter-class variance, test data", "squared distance"),
}


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        section: The heading that it stands under.
        dataset: What it shows.
        name: A short name, part of its CSV's.
        svg: The drawing.
        data: Its numbers.
        alt: What a reader who cannot see it should know.
        n: What it rests on, in words.
        note: What it leaves out, if anything.
    """

    section: str
    dataset: str
    name: str
    svg: str
    data: pd.DataFrame
    alt: str
    n: str
    note: str = ""


@dataclass(frozen=True)
class _Attempt:
    """A panel to be drawn; `draw` gives None where there is nothing to show, and nothing to say of it."""

    section: str
    dataset: str
    name: str
    draw: Callable[[], Drawing | None]


def study_panels(
    runs: pd.DataFrame,
    table: pd.DataFrame,
    curves: pd.DataFrame,
    sketches: pd.DataFrame,
    tuning_seeds: int = TUNING_SEEDS,
) -> tuple[list[Panel], list[str]]:
    """All panels that can be drawn, section by section, dataset by dataset, and why others cannot.

    Args:
        runs: A study, as `load_study` gives it.
        table: Its verdicts.
        curves: As `load_curves` gives them.
        sketches: As `load_sketches` gives them.
        tuning_seeds: As for `verdicts`.
    """
    panels, unavailable = [], []
    for attempt in _attempts(runs, table, curves, sketches, tuning_seeds):
        try:
            drawing = attempt.draw()
        except (NothingToDrawError, ArithmeticError, LookupError, ValueError) as error:
            cause = f"{type(error).__name__} {error}" if not isinstance(error, NothingToDrawError) else str(error)
            unavailable.append(f"Not shown for {attempt.dataset}, {attempt.section} ({attempt.name}): {cause}.")
            continue
        if drawing is None:
            continue
        svg = as_svg(drawing.figure, f"{attempt.section} {attempt.dataset} {attempt.name}")
        about = (drawing.data, drawing.alt, drawing.n, drawing.note)
        panels.append(Panel(attempt.section, attempt.dataset, attempt.name, svg, *about))
    return panels, unavailable


def _attempts(
    runs: pd.DataFrame, table: pd.DataFrame, curves: pd.DataFrame, sketches: pd.DataFrame, tuning_seeds: int
) -> Iterator[_Attempt]:
    parts = {
        name: part for name, part in settings(runs).items() if set(LOSSES) <= set(part["loss"]) and not repeats(part)
    }
    for dataset in parts:
        yield from _forests(dataset, table[(table["dataset"] == dataset) & (table["n"] > 1)])
    for section, metrics in (("Dynamics over the epochs", DYNAMICS), ("Variance over the epochs", VARIANCES)):
        for dataset in parts if len(curves) else ():
            for metric in metrics:
                rows = curves[(curves["dataset"] == dataset) & (curves["metric"] == metric)]
                yield _Attempt(section, dataset, metric.replace("/", " "), partial(_curve, metric, rows))
    for dataset, part in parts.items():
        yield _Attempt("Margins", dataset, "margins", partial(margins, part))
    for dataset, part in parts.items():
        yield _Attempt("Decay", dataset, "decay", partial(decay, part))
    for dataset, part in parts.items():
        yield _Attempt("Tuning effort", dataset, "tuning", partial(tuning_effort, part, tuning_seeds))
    for dataset in parts if len(sketches) else ():
        for loss in LOSSES:
            rows = sketches[(sketches["dataset"] == dataset) & (sketches["loss"] == loss)]
            yield _Attempt("Embeddings", dataset, f"embeddings {loss}", partial(embeddings, rows, loss))


def _forests(dataset: str, rows: pd.DataFrame) -> Iterator[_Attempt]:
    shown = rows[(rows["estimand"] == TUNED) | (rows["family"] == "mechanism") | (rows["metric"] == "map_at_r")]
    shown = shown.assign(
        label=[
            f"{row.metric}{', tuned' if row.estimand == TUNED else ', grid' if row.metric == 'map_at_r' else ''}"
            for row in shown.itertuples()
        ]
    )
    kind = np.where(shown["family"] == "mechanism", "mechanism", "performance")
    scales: dict[str, Scale] = {scale: scale for scale in ROPE}
    for (group, name), part in shown.groupby([kind, "scale"], sort=False):
        scale = scales[str(name)]
        title = "Performance" if group == "performance" else MECHANISMS[scale]
        yield _Attempt("Effects", dataset, f"effects {group} {scale}", partial(_effects, part, scale, title))


def _effects(rows: pd.DataFrame, scale: Scale, title: str) -> Drawing:
    columns = ["metric", "estimand", "n", "difference", "ci_low", "ci_high", "p_corrected", "verdict"]
    alt = "; ".join(f"{row.label}: {row.verdict}" for row in rows.itertuples())
    n = ", ".join(f"{seeds_text(part['n'])} ({name})" for name, part in rows.groupby("estimand", sort=False))
    return Drawing(forest(rows, scale, title), rows[columns], alt, n)


def _curve(metric: str, rows: pd.DataFrame) -> Drawing:
    if rows.empty:
        raise NothingToDrawError(f"no run has {metric} by epoch")
    title, unit = _CURVES[metric]
    with panel() as (figure, axes):
        band(axes, rows, "epoch")
        if rows["mean"].gt(0).all() and metric != "train/active_ratio":
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(PlainLog())
            axes.yaxis.set_minor_formatter(PlainLog(minor_thresholds=(1.2, 0.4)))
        axes.set(xlabel="epoch", ylabel=unit, title=title)
    n = seeds_text(rows["n"])
    shown = f"mean and 95% band over {n}" if rows["n"].gt(1).any() else f"{n}, no band"
    return Drawing(figure, rows.drop(columns="dataset"), f"{title} by epoch, {shown}, for both losses", n)
