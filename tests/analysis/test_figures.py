"""Figures for notebooks and papers are those of the report."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import figures, load_study, verdicts
from analysis.comparison.comparisons import comparisons
from analysis.report.figures import conditions
from analysis.report.figures.style import as_svg
from analysis.store.loading import StudyNotFoundError
from tests.analysis.recorded import record_study, small_study
from tests.analysis.studies import simulated_runs


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study ``one`` of one dataset, and a study ``two`` of two, with an effect of 10 points."""
    folder = tmp_path_factory.mktemp("results")
    record_study(folder, "one", simulated_runs(np.random.default_rng(0), seeds=9, effect=0.1))
    small_study(folder, "two", effect=0.1)
    return folder


@pytest.fixture(scope="module")
def runs(storage: Path) -> pd.DataFrame:
    return load_study("one", storage)


@pytest.fixture(scope="module")
def table(storage: Path) -> pd.DataFrame:
    return verdicts(load_study("two", storage))


def labels(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_a_forest_shows_what_that_of_the_report_shows(table: pd.DataFrame) -> None:
    figure = figures.forest(table, "digits")
    assert labels(figure) == ["MAP@R, tuned", "Recall@1, tuned", "linear accuracy, tuned", "MAP@R, grid"]
    assert figure.axes[0].get_xlabel() == "triplet minus contrastive (pt)"
    row = table[(table.dataset == "digits") & (table.metric == "map_at_r") & (table.estimand == "tuned")].iloc[0]
    _, interval, dot, *_ = figure.axes[0].lines
    assert interval.get_xdata() == pytest.approx([100 * row.ci_low, 100 * row.ci_high])
    assert dot.get_xdata() == pytest.approx([100 * row.difference])


def test_one_metric_at_one_place_is_a_forest_of_datasets(table: pd.DataFrame) -> None:
    rows = table[(table.metric == "map_at_r") & (table.estimand == "default setting")]
    figure = figures.forest(rows)
    assert labels(figure) == ["digits", "synthetic"]
    assert figure.axes[0].get_title(loc="left") == "MAP@R, default setting"
    both = figures.forest(table)
    assert labels(both)[:2] == ["digits, MAP@R, tuned", "digits, Recall@1, tuned"]


def test_metrics_without_an_axis_in_common_are_asked_for_one_by_one(table: pd.DataFrame) -> None:
    named = {about: figures.forest(table, "digits", about).axes[0].get_xlabel() for about in figures._AXES}
    assert named == {
        "performance": "triplet minus contrastive (pt)",
        "activity": "triplet minus contrastive (pt)",
        "variances": "triplet / contrastive (ratio)",
        "decay": "triplet minus contrastive (epochs)",
    }
    with pytest.raises(ValueError, match="about='speed': choose from performance, activity"):
        figures.forest(table, about="speed")  # type: ignore[arg-type]
    with pytest.raises(figures.NothingToDrawError, match="no performance of two seeds or more on mnist"):
        figures.forest(table, "mnist")
    other = table.assign(first="angular")
    with pytest.raises(ValueError, match="compares 2 pairs of losses"):
        figures.forest(pd.concat([table, other]))


DRAWN: dict[str, tuple[Callable[[pd.DataFrame, Path], Figure], str]] = {
    "margins": (lambda runs, storage: figures.margins(runs, "grad_norm"), "Gradient norm"),
    "decay": (lambda runs, storage: figures.decay(runs), "not there yet (share of runs)"),
    "tuning_effort": (lambda runs, storage: figures.tuning_effort(runs), "MAP@R, test data (share)"),
    "tuning_difference": (lambda runs, storage: figures.tuning_difference(runs), "triplet minus contrastive (pt)"),
    "curves": (lambda runs, storage: figures.curves("one", "train/grad_norm", storage=storage), "L2 norm"),
    "embeddings": (lambda runs, storage: figures.embeddings("one", "triplet", storage=storage), "second principal"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_each_figure_of_a_study_is_drawn(name: str, runs: pd.DataFrame, storage: Path) -> None:
    draw, expected = DRAWN[name]
    figure = draw(runs, storage)
    (said,) = (
        {figure.axes[0].get_ylabel(), figure.get_suptitle()} - {""}
        if name == "margins"
        else [figure.axes[0].get_ylabel()]
    )
    assert said.startswith(expected)
    assert figure.get_figwidth() <= 3.6


def test_search_figures_are_drawn_of_a_study_with_enough_settings() -> None:
    margins = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
    runs = simulated_runs(np.random.default_rng(0), seeds=3, margins=margins)
    assert figures.importances(runs).axes[0].get_xlabel() == "variance explained alone (%)"
    rates = pd.concat([runs, runs.assign(lr=0.01, key=runs["key"] + "-fast")])
    assert figures.landscape(rates).axes[0].get_ylabel() == "learning rate"
    with pytest.raises(figures.NothingToDrawError, match="too few settings"):
        figures.landscape(runs)


def test_a_figure_is_the_reports_to_the_last_letter(runs: pd.DataFrame) -> None:
    (comparison,) = comparisons(runs)
    drawing = conditions.decay(comparison)
    assert drawing is not None
    assert as_svg(figures.decay(runs), "s") == as_svg(drawing.figure, "s")


def test_what_must_be_named_is_said(storage: Path, runs: pd.DataFrame) -> None:
    two = load_study("two", storage)
    with pytest.raises(ValueError, match="several datasets: choose dataset from 'digits', 'synthetic'"):
        figures.decay(two)
    with pytest.raises(ValueError, match="dataset='mnist': choose dataset from"):
        figures.margins(two, dataset="mnist")
    assert figures.decay(two, "synthetic").axes
    with pytest.raises(ValueError, match="metric='loss': choose from train/loss"):
        figures.curves("one", "loss", storage=storage)
    with pytest.raises(ValueError, match="metric='loss': choose from map_at_r"):
        figures.margins(runs, "loss")
    with pytest.raises(ValueError, match="loss='angular': choose from triplet, contrastive"):
        figures.embeddings("one", "angular", storage=storage)
    with pytest.raises(StudyNotFoundError):
        figures.curves("none", storage=storage)
    alone = runs[runs["margin"] == 1.0]
    with pytest.raises(figures.NothingToDrawError, match="one margin alone"):
        figures.margins(alone)
    with pytest.raises(figures.NothingToDrawError, match="readable runs of two losses"):
        figures.decay(runs[runs["loss"] == "triplet"])


def test_a_figure_is_saved_for_a_paper_and_shows_itself(table: pd.DataFrame, tmp_path: Path) -> None:
    figure = figures.forest(table, "digits", "variances")
    with mpl.rc_context({"pdf.compression": 0}):
        figure.savefig(tmp_path / "forest.pdf")
    pdf = (tmp_path / "forest.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf  # TrueType; publishers refuse Type 3
    assert b"/Type3" not in pdf
    figure.savefig(tmp_path / "forest.svg")
    assert ">intra-class variance, tuned</text>" in (tmp_path / "forest.svg").read_text()
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_a_saved_figure_has_room_for_all_its_letters(table: pd.DataFrame) -> None:
    """The name of a short axis may be longer than the axis."""
    figure = figures.forest(table, "digits", "variances")
    widths = {}
    for room, options in {"own": {}, "as drawn": {"bbox_inches": None}}.items():
        svg = io.StringIO()
        figure.savefig(svg, format="svg", **options)
        (widths[room],) = re.findall(r'<svg[^>]* width="([\d.]+)pt"', svg.getvalue())
    assert float(widths["as drawn"]) == pytest.approx(72 * figure.get_figwidth())
    assert float(widths["own"]) > float(widths["as drawn"]) + 5
