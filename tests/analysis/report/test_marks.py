"""A margin or a miner that is brushed in one place of a report is marked in the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.comparisons import comparisons
from analysis.metrics import SCORE
from analysis.report.build import build_report
from analysis.report.figures.margins import margin_curves, margins
from analysis.report.figures.marks import between, marks_of, with_marks
from analysis.report.figures.style import as_svg
from tests.analysis.recorded import record_study
from tests.analysis.searched import searched_runs
from tests.analysis.studies import simulated_runs
from tests.browser import keep_picture, opened_page

MARKED = "one => one.classList.contains('marked')"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on two datasets with two miners and two margins, and two learning rates of the first miner."""
    storage = tmp_path_factory.mktemp("results")
    runs = simulated_runs(np.random.default_rng(2), seeds=9, datasets=("a", "b"))
    fast = runs[runs["miner"] == "all"].assign(lr=0.01, key="fast-" + runs["key"])
    record_study(storage, "s", pd.concat([runs, fast], ignore_index=True))
    build_report("s", storage)
    return storage / "s" / "report" / "report.html"


@pytest.fixture
def page(report: Path) -> Iterator[Any]:
    complaints: list[str] = []
    with opened_page(height=1200) as page:
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"file://{report}")
        yield page
    assert complaints == []


def marked(page: Any, selector: str) -> list[bool]:
    found: list[bool] = page.locator(selector).evaluate_all(f"all => all.map({MARKED})")
    return found


def test_each_margin_has_a_column_in_each_figure_of_the_margins_and_a_row_for_each_run_that_is_shown(
    report: Path,
) -> None:
    text = report.read_text()
    figures = [one for one in re.findall(r"<figure.*?</figure>", text, re.DOTALL) if "by margin, a panel" in one]
    assert len(figures) > 20
    for figure in figures:
        named = [f"{arm} {margin}" for arm in ("contrastive", "triplet") for margin in ("0.2", "1")]
        assert sorted(re.findall(r'<g data-margin="([^"]+)"', figure)) == named
    maps = re.findall(r'<svg[^>]*aria-label="Mean validation MAP@R by margin.*?</svg>', text, re.DOTALL)
    assert [len(re.findall('<g class="outline" data-margin="', one)) for one in maps] == [4, 4]
    rows = re.findall(r'<tr[^>]* data-margin="(\w+) ([^"]+)" data-miner="(\w+)"><td.*?</tr>', text)
    assert len(rows) == 2 * 2 * 9
    assert 'data-miner="hard"><td class="word">a</td>' in text  # the parts of the grid


@pytest.mark.parametrize("search", ["grid", "random"])
def test_the_marks_of_runs_are_those_of_the_figure_of_their_margins(search: str) -> None:
    rng = np.random.default_rng(0)
    runs = simulated_runs(rng, seeds=5) if search == "grid" else searched_runs(rng, search=search)
    (comparison,) = comparisons(runs)
    curves = margin_curves(comparison, SCORE)
    columns = {f"{arm} {margin:g}" for arm, margin in zip(curves["loss"], curves["margin"], strict=True)}
    assert {one["margin"] for one in marks_of(comparison.runs, comparison.tried)} == columns
    drawing = margins(SCORE, comparison)
    assert drawing is not None
    svg = with_marks(as_svg(drawing.figure, "s"))
    assert {unescape(name) for name in re.findall(r'data-margin="([^"]+)"', svg)} == columns
    assert "<g id=" not in svg


def test_a_column_says_the_mean_there_with_its_interval_and_its_seeds() -> None:
    (comparison,) = comparisons(simulated_runs(np.random.default_rng(0), seeds=5))
    drawing = margins(SCORE, comparison)
    assert drawing is not None
    said = re.findall(r"<g data-margin=[^>]*><title>([^<]*)</title>", with_marks(as_svg(drawing.figure, "s")))
    assert said == [
        f"margin {row['margin']:g}: {row['mean']:.2%} [{row['low']:.2%}, {row['high']:.2%}], 5 seeds"
        for arm in comparison.arms
        for row in drawing.data[drawing.data["loss"] == arm].to_dict("records")
    ]


def test_columns_meet_half_way_and_leave_a_figure_as_it_is() -> None:
    assert between([1.0, 4.0, 16.0], logarithmic=True) == [(0.5, 2.0), (2.0, 8.0), (8.0, 32.0)]
    assert between([1.0, 2.0], logarithmic=False) == [(0.5, 1.5), (1.5, 2.5)]
    (comparison,) = comparisons(simulated_runs(np.random.default_rng(0), seeds=5))
    drawing = margins(SCORE, comparison)
    assert drawing is not None
    for axes in drawing.figure.axes:
        low, high = axes.get_xlim()
        inside = np.log([0.2, 1.0]) if axes.get_xscale() == "log" else [0.2, 1.0]
        room = 0.12 * (inside[1] - inside[0])
        ends = np.log([low, high]) if axes.get_xscale() == "log" else [low, high]
        assert ends == pytest.approx([inside[0] - room, inside[1] + room])


def test_a_name_of_a_loss_is_text_in_a_mark() -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=5)
    hostile = '"><script>x</script>'
    named = runs.assign(loss=np.where(runs["loss"] == "triplet", hostile, runs["loss"]))
    (comparison,) = comparisons(pd.DataFrame(named))
    drawing = margins(SCORE, comparison)
    assert drawing is not None
    svg = with_marks(as_svg(drawing.figure, "s"))
    assert "<script" not in svg
    assert f"{hostile} 0.2" in {unescape(name) for name in re.findall(r'data-margin="([^"]+)"', svg)}


@pytest.mark.browser
def test_a_margin_that_is_pointed_at_in_a_figure_is_marked_in_all_others_and_in_tables(page: Any) -> None:
    columns, rows = 'figure [data-margin="triplet 0.2"]', 'tr[data-margin="triplet 0.2"]'
    page.locator(columns).first.scroll_into_view_if_needed()
    page.locator(f"{columns} path").first.hover(force=True)
    assert all(marked(page, columns))
    assert all(marked(page, rows))
    assert len(marked(page, columns)) > 20
    assert not any(marked(page, 'figure [data-margin="contrastive 0.2"], tr[data-margin="contrastive 0.2"]'))
    keep_picture(page, "report marks")
    page.mouse.move(5, 5)
    assert not any(marked(page, columns))


@pytest.mark.browser
def test_a_miner_is_marked_with_keys_alone_and_stays_until_escape(page: Any) -> None:
    chip = page.get_by_role("button", name="mark miner hard")
    chip.focus()
    page.keyboard.press("Enter")
    assert chip.get_attribute("aria-pressed") == "true"
    assert all(marked(page, 'tr[data-miner="hard"]'))
    assert not any(marked(page, 'tr[data-miner="all"]'))
    assert "rows" in page.locator(".marks output").inner_text()
    page.keyboard.press("Escape")
    assert chip.get_attribute("aria-pressed") == "false"
    assert not any(marked(page, "[data-miner]"))


@pytest.mark.browser
def test_a_click_keeps_a_mark_and_another_of_the_same_loss_takes_its_place(page: Any) -> None:
    first, second = (page.get_by_role("button", name=f"mark margin triplet {margin}") for margin in ("0.2", "1"))
    first.click()
    page.mouse.move(5, 5)
    assert all(marked(page, '[data-margin="triplet 0.2"]'))
    second.click()
    page.mouse.move(5, 5)
    assert not any(marked(page, '[data-margin="triplet 0.2"]'))
    assert all(marked(page, '[data-margin="triplet 1"]'))
