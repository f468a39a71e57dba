"""Every panel of a study's report, by section."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from analysis.comparison.comparisons import Comparison
from analysis.comparison.result import Result
from analysis.parameters import ARM
from analysis.report.arms import pair_styles
from analysis.report.figures.conditions import decay, tuning_difference, tuning_effort
from analysis.report.figures.curves import DYNAMICS, VARIANCES, curve
from analysis.report.figures.embeddings import embeddings
from analysis.report.figures.forest import effect_groups, effects
from analysis.report.figures.margins import OVER_MARGINS, margins
from analysis.report.figures.searching import SearchTables, importance_dots, margin_rate_map
from analysis.report.figures.style import Drawing, NothingToDrawError, as_svg

TUNING_EFFORT = "Tuning effort"  # a section


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
                draw = partial(curve, metric, rows, comparison)
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
    own = [r for r in results if (r.dataset, r.arms) == (comparison.dataset, comparison.arms)]
    for (kind, scale), shown in effect_groups(own).items():
        yield _Attempt(
            "Effects",
            comparison.label,
            f"effects {kind} {scale}",
            partial(effects, shown, pair_styles(comparison)),
        )
