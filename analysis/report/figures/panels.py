"""Every panel of a study's report, by section."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from analysis.comparison.comparisons import Comparison
from analysis.comparison.result import Result, result_table
from analysis.metrics import GRID_AVERAGE, TUNED, Scale, title_of
from analysis.parameters import ARM
from analysis.report.arms import ArmStyle, pair_styles
from analysis.report.figures.conditions import decay, tuning_difference, tuning_effort
from analysis.report.figures.curves import DYNAMICS, VARIANCES
from analysis.report.figures.embeddings import embeddings
from analysis.report.figures.forest import MECHANISMS, forest
from analysis.report.figures.margins import OVER_MARGINS, margins
from analysis.report.figures.searching import SearchTables, importance_dots, margin_rate_map
from analysis.report.figures.style import Drawing, NothingToDrawError, PlainLog, as_svg, band, bars, panel
from analysis.report.formatting import seeds_text

TUNING_EFFORT = "Tuning effort"  # a section
_FEW = 6  # epochs: between so few points a band would show what nobody measured
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
        width: Of the drawing, in inches.
        note: What it leaves out, if anything.
        file: Name of its files beside the report; empty until it has one.
    """

    section: str
    dataset: str
    name: str
    svg: str
    data: pd.DataFrame
    alt: str
    n: str
    width: float
    note: str = ""
    file: str = ""


@dataclass(frozen=True)
class _Attempt:
    """A panel to be drawn.

    `draw` returns None if the figure makes no sense for this study. It raises `NothingToDrawError` if data are missing.
    """

    section: str
    dataset: str
    name: str
    draw: Callable[[], Drawing | None]


def study_panels(
    compared: Sequence[Comparison],
    results: Sequence[Result],
    curves: pd.DataFrame,
    sketches: pd.DataFrame,
    searched: SearchTables | None = None,
) -> tuple[list[Panel], list[str]]:
    """All panels that can be drawn, section by section, dataset by dataset, and why others cannot.

    Args:
        compared: The comparisons of a study.
        results: The rows of its verdict table.
        curves: As `epoch_curves` gives them.
        sketches: As `chosen_sketches` gives them.
        searched: What the search tells of its hyperparameters.
    """
    panels, unavailable = [], []
    for attempt in _attempts(compared, results, curves, sketches, searched):
        try:
            drawing = attempt.draw()
        except (NothingToDrawError, ArithmeticError, LookupError, ValueError) as error:
            cause = f"{type(error).__name__} {error}" if not isinstance(error, NothingToDrawError) else str(error)
            unavailable.append(f"Not shown for {attempt.dataset}, {attempt.section} ({attempt.name}): {cause}.")
            continue
        if drawing is None:
            continue
        svg = as_svg(drawing.figure, f"{attempt.section} {attempt.dataset} {attempt.name}")
        about = (drawing.data, drawing.alt, drawing.n, drawing.figure.get_figwidth(), drawing.note)
        panels.append(Panel(attempt.section, attempt.dataset, attempt.name, svg, *about))
    return panels, unavailable


def _attempts(
    compared: Sequence[Comparison],
    results: Sequence[Result],
    curves: pd.DataFrame,
    sketches: pd.DataFrame,
    searched: SearchTables | None,
) -> Iterator[_Attempt]:
    drawn = [comparison for comparison in compared if comparison.readable]
    for comparison in drawn:
        yield from _forests(comparison, results)
    for section, metrics in (("Dynamics over the epochs", DYNAMICS), ("Variance over the epochs", VARIANCES)):
        for comparison in drawn if len(curves) else ():
            for metric in metrics:
                rows = curves[(curves["dataset"] == comparison.label) & (curves["metric"] == metric)]
                draw = partial(_curve, metric, rows, comparison)
                yield _Attempt(section, comparison.label, metric.replace("/", " "), draw)
    for comparison in drawn:
        for over in OVER_MARGINS:
            yield _Attempt("Margins", comparison.label, f"margins {over.name}", partial(margins, over, comparison))
    for comparison in drawn:
        yield _Attempt("Decay", comparison.label, "decay", partial(decay, comparison))
    for comparison in drawn:
        yield _Attempt(TUNING_EFFORT, comparison.label, "tuning", partial(tuning_effort, comparison))
        difference = partial(tuning_difference, comparison)
        yield _Attempt(TUNING_EFFORT, comparison.label, "tuning difference", difference)
    yield from _of_search(searched) if searched else ()
    for comparison in drawn if len(sketches) else ():
        for arm, style in pair_styles(comparison).items():
            rows = sketches[(sketches["dataset"] == comparison.label) & (sketches[ARM] == arm)]
            yield _Attempt("Embeddings", comparison.label, f"embeddings {arm}", partial(embeddings, rows, arm, style))


def _of_search(searched: SearchTables) -> Iterator[_Attempt]:
    for dataset, rows in searched.importances.groupby("dataset"):
        draw = partial(importance_dots, rows, searched.styles)
        yield _Attempt("Importance of hyperparameters", str(dataset), "importances", draw)
    for dataset, rows in searched.landscape.groupby("dataset"):
        draw = partial(margin_rate_map, rows, searched.styles)
        yield _Attempt("Margin and learning rate", str(dataset), "margin and lr", draw)


def _forests(comparison: Comparison, results: Sequence[Result]) -> Iterator[_Attempt]:
    shown = [
        result
        for result in results
        if (result.dataset, result.arms) == (comparison.dataset, comparison.arms)
        and result.n > 1
        and not result.is_shown
        and (result.estimand == TUNED or (result.estimand == GRID_AVERAGE and result.family != "secondary"))
    ]
    groups: dict[tuple[str, Scale], list[Result]] = {}
    for result in shown:
        kind = "mechanism" if result.family == "mechanism" else "performance"
        groups.setdefault((kind, result.scale), []).append(result)
    for (kind, scale), own in groups.items():
        title = "Performance" if kind == "performance" else MECHANISMS[scale]
        yield _Attempt(
            "Effects",
            comparison.label,
            f"effects {kind} {scale}",
            partial(_effects, own, title, pair_styles(comparison)),
        )


def _effects(results: Sequence[Result], title: str, styles: Mapping[str, ArmStyle]) -> Drawing:
    columns = ["metric", "estimand", "n", "difference", "ci_low", "ci_high", "p_corrected", "verdict"]
    several = len({result.estimand for result in results}) > 1
    labels = [_label(result, several) for result in results]
    alt = "; ".join(f"{label}: {result.verdict}" for label, result in zip(labels, results, strict=True))
    counts: dict[str, list[int]] = {}
    for result in results:
        counts.setdefault(str(result.estimand), []).append(result.n)
    n = ", ".join(f"{seeds_text(numbers)} ({estimand})" for estimand, numbers in counts.items())
    title = title if several else f"{title}, {_short(results[0])}"
    return Drawing(forest(results, labels, title, styles), result_table(results)[columns], alt, n)


def _label(result: Result, several: bool) -> str:
    title = title_of(result.metric)
    return f"{title}, {_short(result)}" if several else title


def _short(result: Result) -> str:
    return "tuned" if result.estimand == TUNED else "grid"


def _curve(metric: str, rows: pd.DataFrame, comparison: Comparison) -> Drawing:
    if rows.empty:
        raise NothingToDrawError(f"no run has {metric} by epoch")
    title, unit = _CURVES[metric]
    epochs = sorted(set(rows["epoch"]))
    few = len(epochs) <= min(_FEW, epochs[-1] - epochs[0])  # all of a short training are not few
    draw = bars if few else band
    with panel() as (figure, axes):
        draw(axes, rows, "epoch", pair_styles(comparison))
        if rows["mean"].gt(0).all() and metric != "train/active_ratio":
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(PlainLog())
            axes.yaxis.set_minor_formatter(PlainLog(minor_thresholds=(1.2, 0.4)))
        axes.set(xlabel="epoch", ylabel=unit, title=title)
    n = seeds_text(rows["n"].tolist())
    measured = ", ".join(map(str, epochs))
    note = f"Measured at epochs {measured} only (evaluate_every)." if few else ""
    shown = f"mean and 95% band over {n}" if rows["n"].gt(1).any() else f"{n}, no band"
    return Drawing(figure, rows.drop(columns="dataset"), f"{title} by epoch, {shown}, for both losses", n, note)
