"""What the page does beyond showing: contents, filters, and the region of practical equivalence to set."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Collection
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.metrics import metrics_with
from analysis.report.document.assembly import report
from analysis.report.document.regions import seeds
from analysis.report.document.tables import P_DECIDES, VERDICT, verdict_rows
from analysis.report.findings import Findings
from analysis.report.renderers.html import html
from tests.analysis.findings import found
from tests.analysis.studies import simulated_runs

RUNS = simulated_runs(np.random.default_rng(3), seeds=9, datasets=("a", "b</script><b>"), effect=0.02, margins=[1.0])
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page() -> str:
    return html(report(found("s", RUNS)))


def rows_of(findings: Findings, metrics: Collection[str]) -> list[dict[str, Any]]:
    """The verdicts on some metrics as the report's tables show them."""
    results = [result for result in findings.results if result.metric in metrics]
    shown = verdict_rows(results)
    rows = [dict(zip(shown.headings, map(str, row), strict=True)) for row in shown.rows]
    return [{**row, "estimand": result.estimand} for row, result in zip(rows, results, strict=True)]


def badges_of(findings: Findings, metrics: Collection[str]) -> list[list[str]]:
    """The verdicts in the order of the page, which has a section for each estimand."""
    places = ("tuned", "grid average", "default setting")
    return [[row[VERDICT]] for place in places for row in rows_of(findings, metrics) if row["estimand"] == place]


def sweep_of(page: str, name: str = "rope") -> dict[str, Any]:
    (text,) = re.findall(rf'<script type="application/json" id="{name}-verdicts">(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


SWEPT = {"rope": ("map_at_r",), "rope-secondary": ("recall_at_1", "linear_accuracy")}


@pytest.mark.parametrize("name", SWEPT)
@pytest.mark.parametrize("width", [0.002, 0.01, 0.03])
def test_sentence_9_the_page_holds_the_verdicts_of_each_region_as_a_report_with_it_would_show_them(
    page: str, width: float, name: str
) -> None:
    sweep = sweep_of(page, name)
    place = sweep["widths"].index(width)
    held = [(row["about"], *row["verdicts"][place]) for row in sweep["rows"]]
    rows = rows_of(found("s", RUNS, metrics=metrics_with(dict.fromkeys(SWEPT[name], width))), SWEPT[name])
    expected = [
        ({kind: row[kind] for kind in ("dataset", "metric", "estimand")}, row[VERDICT], row[P_DECIDES]) for row in rows
    ]
    assert [(about, verdict, p) for about, verdict, _, p in held] == expected


def test_a_dot_says_its_seed_and_its_two_runs_and_the_dots_have_the_mean_of_the_verdict(page: str) -> None:
    findings = found("s", RUNS)
    drawn = seeds(findings)
    for strip, comparison in zip(drawn.strips, findings.comparisons, strict=True):
        assert np.mean([point.at for point in strip.points]) == pytest.approx(strip.mean)
        said = "; ".join(point.said for point in strip.points) + ";"
        assert all(said.count(f"run {key};") == 1 for key in comparison.tuned.runs["key"])
        assert drawn.ticks[0] <= min(strip.low, *(point.at for point in strip.points))
        assert drawn.ticks[-1] >= max(strip.high, *(point.at for point in strip.points))
    titles = re.findall(r"<circle[^>]*><title>([^<]*)</title>", page)
    assert [unescape(title) for title in titles] == [point.said for strip in drawn.strips for point in strip.points]


def test_the_page_opens_with_the_region_of_the_report_and_no_name_ends_its_data(page: str) -> None:
    sweep = sweep_of(page)
    assert sweep["widths"][sweep["own"]] == 0.01
    assert {row["about"]["dataset"] for row in sweep["rows"]} == {"a", "b</script><b>"}
    assert page.count("<script") == page.count("</script>") == 1 + len(SWEPT)


def test_without_a_script_all_rows_stand_and_no_control_is_shown(page: str) -> None:
    assert len(re.findall(r'<form class="regions"[^>]* hidden>', page)) == len(SWEPT)
    assert '<form class="filters" hidden>' in page
    assert not re.search(r"<tr[^>]* hidden", page)
    assert 'data-dataset="a" data-metric="Recall@1"' in page


def test_the_contents_lead_to_every_section(page: str) -> None:
    headings = re.findall(r'<h2 id="([^"]+)">', page)
    contents = re.findall(r"<ol>.*?</ol>", page, re.DOTALL)  # beside the page, and on top of a narrow one
    assert [re.findall(r'<a href="#([^"]+)">', one) for one in contents] == [headings] * 2
    assert len(set(headings)) == len(headings) > 8


def test_ten_questions_lead_to_places_of_the_page(page: str) -> None:
    (asked,) = re.findall(r'<nav class="questions">.*?</nav>', page, re.DOTALL)
    places = re.findall(r'<a href="#([^"]+)"', asked)
    assert len(places) == 10
    for place in places:
        assert len(re.findall(rf'<(?:h2|details) id="{place}">', page)) == 1


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize(("name", "title", "width"), [("rope", "MAP@R", 0.03), ("rope-secondary", "Recall@1", 0.002)])
def test_a_browser_shows_the_verdicts_of_the_region_that_is_set(
    page: str, tmp_path: Path, name: str, title: str, width: float
) -> None:
    path = tmp_path / "report.html"
    path.write_text(page)
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-extensions",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
    ]
    command = [str(CHROMIUM), *options, f"file://{path}#{name}={width}"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert f"<output>\u00b1{100 * width:g} pt</output>" in shown
    row = rf'<tr[^>]*data-metric="{title}"[^>]*>(?:(?!</tr>).)*class="word answer"(?:(?!</tr>).)*</tr>'
    badges = [re.findall(r'<span class="badge[^>]*>([^<]*)</span>', one) for one in re.findall(row, shown)]
    set_there = metrics_with(dict.fromkeys(SWEPT[name], width))
    assert badges == badges_of(found("s", RUNS, metrics=set_there), SWEPT[name][:1])
    assert badges != badges_of(found("s", RUNS), SWEPT[name][:1])
