"""The figures of what a search tells of its hyperparameters."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from analysis import importances, landscape
from analysis.metrics import SELECTION
from analysis.report.arms import arm_styles
from analysis.report.build import Study, draw
from analysis.report.document.assembly import report
from analysis.report.figures.panels import Panel, study_panels
from analysis.report.figures.searching import SearchTables, margin_rate_map
from analysis.report.files import with_files
from analysis.report.renderers.html import html
from analysis.report.renderers.markdown import markdown
from tests.analysis.fabricated import Floats
from tests.analysis.findings import found
from tests.analysis.searched import RUNGS, searched_runs
from tests.analysis.studies import simulated_runs, with_one_metric

IMPORTANCE, MAP = "Importance of hyperparameters", "Margin and learning rate"


def rising(arm: str, margin: Floats, rate: Floats) -> Floats:
    return -0.3 * margin - 0.1 * rate


SEARCHED = searched_runs(np.random.default_rng(0), settings=24, datasets=2, response=rising, seeds=2)
HALVED = searched_runs(np.random.default_rng(1), settings=27, response=rising, rungs=RUNGS, seeds=2)
GRID = pd.concat(
    [simulated_runs(np.random.default_rng(0), seeds=3, margins=(0.0625, 1.0)).assign(lr=lr) for lr in (1e-4, 1e-2)],
    ignore_index=True,
)


def drawn(runs: pd.DataFrame) -> tuple[dict[tuple[str, str], Panel], list[str]]:
    """The panels of the tables of a study alone, by section and dataset, and why some are not there."""
    tables = SearchTables(importances(runs), landscape(runs), arm_styles(sorted(set(runs["loss"]))))
    panels, unavailable = study_panels([], [], pd.DataFrame(), pd.DataFrame(), tables)
    return {(panel.section, panel.dataset): panel for panel in panels}, unavailable


@cache
def of_searched() -> dict[tuple[str, str], Panel]:
    return drawn(SEARCHED)[0]


def texts(panel: Panel) -> list[str]:
    """What stands in a drawing."""
    return [part.partition("</text>")[0].rpartition(">")[2] for part in panel.svg.split("<text")[1:]]


def test_each_dataset_has_both_figures_with_their_numbers() -> None:
    assert list(of_searched()) == [(section, f"data{number}") for section in (IMPORTANCE, MAP) for number in (0, 1)]
    dots, cells = of_searched()[IMPORTANCE, "data0"], of_searched()[MAP, "data0"]
    assert len(dots.data) == 2 * 3
    assert len(cells.data) == 2 * 25
    assert "dataset" not in dots.data
    assert (dots.n, dots.note.count("pt for")) == ("2 seeds, 24 settings each", 2)


def test_the_importances_stand_in_the_text_for_who_does_not_see_them() -> None:
    panel = of_searched()[IMPORTANCE, "data0"]
    row = panel.data[(panel.data["loss"] == "triplet") & (panel.data["parameter"] == "margin")].iloc[0]
    assert f"margin {row['importance']:.0%} (triplet)" in panel.alt
    assert {"learning rate", "margin", "miner", "contrastive", "triplet"} <= set(texts(panel))


def test_a_map_has_a_number_in_each_cell_with_a_run_and_tells_of_those_without() -> None:
    panel = of_searched()[MAP, "data0"]
    filled = panel.data[panel.data["runs"] > 0]
    empty = len(panel.data) - len(filled)
    numbers = [f"{100 * value:.1f}" for value in filled["validation"]]
    assert set(numbers) <= set(texts(panel))
    assert empty > 0
    assert f"Hatched: {empty} cells without one." in panel.note
    assert "nan" not in panel.svg
    best = filled.sort_values("validation").iloc[-1]
    assert f"{100 * best['validation']:.1f}% ({best['loss']}, margin {best['margin']:.2g}" in panel.alt


def test_ends_of_ranges_stand_between_the_cells_and_levels_of_a_grid_under_them() -> None:
    styles = arm_styles(["contrastive", "triplet"])
    tables = {runs: landscape(frame) for runs, frame in (("drawn", SEARCHED), ("grid", GRID))}
    first = tables["drawn"][tables["drawn"]["dataset"] == "data0"]
    axes = margin_rate_map(first, styles).figure.axes[0]
    low, high = first.loc[first["loss"] == "contrastive", "lr_low"].min(), first["lr_high"].max()
    assert axes.get_yticks().tolist() == [0, 1, 2, 3, 4, 5]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert (names[0], names[-1]) == (f"{low:.2g}", f"{high:.2g}")
    axes = margin_rate_map(tables["grid"], styles).figure.axes[0]
    assert axes.get_xticks().tolist() == [0.5, 1.5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.0625", "1"]
    assert drawn(GRID)[0][MAP, "digits"].note == "A cell holds 6 runs."


def test_after_halving_it_is_said_at_which_epoch_the_scores_were_read() -> None:
    panel = drawn(HALVED)[0][IMPORTANCE, "data0"]
    assert "Scores at epoch 6, the first rung: before halving stopped any." in panel.note
    assert "Scores" not in of_searched()[IMPORTANCE, "data0"].note


def test_nothing_is_drawn_of_what_does_not_vary_or_has_no_score() -> None:
    assert drawn(GRID[GRID["lr"] == 1e-2]) == ({}, [])
    assert drawn(GRID.drop(columns=SELECTION)) == (
        {},
        ["Not shown for digits, Margin and learning rate (margin and lr): no run has val/map_at_r."],
    )


def test_one_loss_alone_has_them_too() -> None:
    panels, unavailable = drawn(SEARCHED[(SEARCHED["loss"] == "triplet") & (SEARCHED["dataset"] == "data0")])
    assert len(panels) == 2
    assert unavailable == []
    assert "contrastive" not in texts(panels[MAP, "data0"])


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_a_report_has_a_section_for_each_which_says_that_it_is_exploratory(form: str) -> None:
    findings = found("s", SEARCHED)
    document = report(findings, with_files(list(of_searched().values())))
    text = html(document) if form == "html" else markdown(document, "figures")
    for section in (IMPORTANCE, MAP):
        assert f"{section}</h2>" in text if form == "html" else f"## {section}\n\nExploratory." in text
    assert "figures/importances-data0.svg" in text or form == "html"
    assert text.count("margins are not on one scale, so each has its axis") == 1


def test_the_report_of_a_study_draws_them() -> None:
    panels, _ = draw(Study(found("s", with_one_metric(GRID)), pd.DataFrame()))
    assert [panel.dataset for panel in panels if panel.section == MAP] == ["digits"]
    assert IMPORTANCE not in {panel.section for panel in panels}  # eight settings a seed are too few
