"""Every panel of a study's report, by section."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from analysis.censoring import kaplan_meier
from analysis.curves import DYNAMICS, VARIANCES
from analysis.figures.forest import MECHANISMS, forest
from analysis.figures.style import CLASS_COLOURS, COLOURS, FAINT, LINES, PlainLog, as_svg, band, panel
from analysis.metrics import METRICS, ROPE, Scale
from analysis.pairing import LOSSES, balanced_grid, settings
from analysis.tuning import TUNING_SEEDS, UnequalBudgetsError, best_so_far, tune
from analysis.verdict_table import TUNED

_DECAY = next(metric for metric in METRICS if metric.name == "loss_decay_epochs")
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
    """

    section: str
    dataset: str
    name: str
    svg: str
    data: pd.DataFrame
    alt: str


def study_panels(
    runs: pd.DataFrame,
    table: pd.DataFrame,
    curves: pd.DataFrame,
    sketches: pd.DataFrame,
    tuning_seeds: int = TUNING_SEEDS,
) -> Iterator[Panel]:
    """All panels that can be drawn, section by section, dataset by dataset.

    Args:
        runs: A study, as `load_study` gives it.
        table: Its verdicts.
        curves: As `load_curves` gives them.
        sketches: As `load_sketches` gives them.
        tuning_seeds: As for `verdicts`.
    """
    parts = {name: part for name, part in settings(runs).items() if set(LOSSES) <= set(part["loss"])}
    for dataset in parts:
        yield from _forests(dataset, table[(table["dataset"] == dataset) & (table["n"] > 1)])
    for section, metrics in (("Dynamics over the epochs", DYNAMICS), ("Variance over the epochs", VARIANCES)):
        for dataset in parts:
            for metric in metrics:
                rows = curves[(curves["dataset"] == dataset) & (curves["metric"] == metric)]
                if len(rows):
                    yield _curve(section, dataset, metric, rows)
    for section, draw in _BY_DATASET.items():
        for dataset, part in parts.items():
            drawn = draw(part, tuning_seeds)
            if drawn:
                yield _made(section, dataset, section.lower().split()[0], *drawn)
    for dataset in parts:
        yield from _embeddings(dataset, sketches[sketches["dataset"] == dataset])


def _made(section: str, dataset: str, name: str, figure: Figure, data: pd.DataFrame, alt: str) -> Panel:
    return Panel(section, dataset, name, as_svg(figure, f"{section} {dataset} {name}"), data, alt)


def _forests(dataset: str, rows: pd.DataFrame) -> Iterator[Panel]:
    shown = rows[(rows["estimand"] == TUNED) | (rows["family"] == "mechanism") | (rows["metric"] == "map_at_r")]
    shown = shown.assign(
        label=[
            f"{row.metric}{', tuned' if row.estimand == TUNED else ', grid' if row.metric == 'map_at_r' else ''}"
            for row in shown.itertuples()
        ]
    )
    kind = np.where(shown["family"] == "mechanism", "mechanism", "performance")
    columns = ["metric", "estimand", "n", "difference", "ci_low", "ci_high", "p_corrected", "verdict"]
    scales: dict[str, Scale] = {scale: scale for scale in ROPE}
    for (group, name), part in shown.groupby([kind, "scale"], sort=False):
        scale = scales[str(name)]
        alt = "; ".join(f"{row.label}: {row.verdict}" for row in part.itertuples())
        title = "Performance" if group == "performance" else MECHANISMS[scale]
        figure = forest(part, scale, title)
        yield _made("Effects", dataset, f"effects {group} {scale}", figure, part[columns], alt)


def _curve(section: str, dataset: str, metric: str, rows: pd.DataFrame) -> Panel:
    title, unit = _CURVES[metric]
    with panel() as (figure, axes):
        band(axes, rows, "epoch")
        if rows["mean"].gt(0).all() and metric != "train/active_ratio":
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(PlainLog())
            axes.yaxis.set_minor_formatter(PlainLog(minor_thresholds=(1.2, 0.4)))
        axes.set(xlabel="epoch", ylabel=unit, title=title)
    alt = f"{title} by epoch, mean and 95% band over {int(rows['n'].max())} seeds, for both losses"
    return _made(section, dataset, metric.replace("/", " "), figure, rows.drop(columns="dataset"), alt)


def _margins(part: pd.DataFrame, _: int) -> tuple[Figure, pd.DataFrame, str] | None:
    if part["margin"].nunique() < 2:
        return None
    ended = part[~part["diverged"]]
    per_seed = ended.groupby(["loss", "margin", "seed"])["test/map_at_r"].mean().reset_index()
    rows = per_seed.groupby(["loss", "margin"])["test/map_at_r"].agg(["count", "mean", "sem"]).reset_index()
    half = stats.t.ppf(0.975, np.maximum(rows["count"] - 1, 1)) * rows["sem"].fillna(0.0)
    rows = rows.assign(low=rows["mean"] - half, high=rows["mean"] + half).rename(columns={"count": "n"})
    with panel() as (figure, axes):
        band(axes, rows, "margin")
        axes.set(xlabel="margin (on d for contrastive, on d\u00b2 for triplet)", ylabel="MAP@R, test data (share)")
        axes.set_title("Sensitivity to the margin")
    return figure, rows.drop(columns="sem"), "MAP@R by margin for both losses; the margins are not on one scale"


def _decay(part: pd.DataFrame, _: int) -> tuple[Figure, pd.DataFrame, str] | None:
    if _DECAY.column not in part:
        return None
    ended = balanced_grid(part)
    ended = ended[~ended["diverged"]]
    curves = []
    with panel() as (figure, axes):
        for loss in LOSSES:
            mine = ended[ended["loss"] == loss]
            curve = kaplan_meier(mine[_DECAY.column], mine[_DECAY.censored_by] > 0)
            axes.step(curve["time"], curve["survival"], LINES[loss], where="post", color=COLOURS[loss], label=loss)
            curves.append(curve.assign(loss=loss))
        axes.set(xlabel="epoch", ylabel="runs still above a tenth (share)", ylim=(0, 1.02))
        axes.set_title("Loss decay (Kaplan-Meier)")
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.legend(fontsize=8)
    return (
        figure,
        pd.concat(curves),
        "Share of runs whose loss has not fallen to a tenth yet, by epoch, for both losses",
    )


def _best(part: pd.DataFrame, tuning_seeds: int) -> tuple[Figure, pd.DataFrame, str] | None:
    try:
        budget = tune(part, tuning_seeds).budget
    except UnequalBudgetsError:
        return None
    if budget < 2:
        return None
    rows = best_so_far(part, tuning_seeds)
    with panel() as (figure, axes):
        for loss in LOSSES:
            mine = rows[rows["loss"] == loss]
            axes.plot(
                mine["settings"], mine["score"], LINES[loss], color=COLOURS[loss], label=loss, marker="o", markersize=3
            )
        axes.set(xlabel="settings tried", ylabel="expected best validation MAP@R (share)", title="Best so far")
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.legend(fontsize=8)
    return figure, rows, "The validation score to be expected of the best of so many settings, for both losses"


_BY_DATASET: dict[str, Callable[[pd.DataFrame, int], tuple[Figure, pd.DataFrame, str] | None]] = {
    "Margins": _margins,
    "Decay": _decay,
    "Tuning effort": _best,
}


def _embeddings(dataset: str, rows: pd.DataFrame) -> Iterator[Panel]:
    for loss in LOSSES:
        mine = rows[rows["loss"] == loss]
        if not len(mine):
            continue
        condition = mine["condition"].iloc[0]
        with panel(3.2, 3.0) as (figure, axes):
            for position, (label, points) in enumerate(mine.groupby("label")):
                colour = CLASS_COLOURS[position % len(CLASS_COLOURS)]
                axes.plot(points["x"], points["y"], ".", color=colour, markersize=3.5, label=str(label))
            axes.set(xlabel="first principal component", ylabel="second")
            axes.set_title(f"{loss}: {condition}", color=COLOURS[loss])
        alt = f"Test embeddings of the {loss} loss, {condition}, seed {mine['seed'].iloc[0]}, coloured by class"
        yield _made("Embeddings", dataset, f"embeddings {loss}", figure, mine.drop(columns="dataset"), alt)
