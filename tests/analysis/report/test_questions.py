"""In a real browser each of ten questions that readers ask is answered by one click from the top of the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from analysis.metrics import metrics_with
from analysis.report.build import build_report, understand
from analysis.report.document.advising import headlines
from analysis.report.document.tables import verdict_rows
from analysis.report.findings import Findings
from analysis.report.formatting import interval_text
from tests.analysis.findings import found
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs
from tests.browser import opened_page

pytestmark = pytest.mark.browser

IN_SIGHT = """([selector, text]) => [...document.querySelectorAll(selector)].some(one => {
    const box = one.getBoundingClientRect(), said = one.getAttribute('aria-label') || one.textContent;
    return said.includes(text) && box.width > 0 && box.top >= 0 && box.top < innerHeight;
})"""


@dataclass(frozen=True)
class Opened:
    """A report in a browser, and what Python finds of the same study."""

    page: Any
    address: str
    findings: Findings
    diverged: str

    def ask(self, question: str) -> None:
        """Clicks on a question at the top of the page."""
        self.page.goto("about:blank")
        self.page.goto(self.address)
        self.page.locator(".questions a", has_text=question).click()

    def sees(self, text: str, selector: str = "td") -> bool:
        """Whether an element with this text comes in sight: the page scrolls for a moment."""
        return bool(self.page.wait_for_function(IN_SIGHT, arg=[selector, text], timeout=20_000).json_value())


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    storage = tmp_path_factory.mktemp("results")
    runs = simulated_runs(np.random.default_rng(4), seeds=13, datasets=("digits", "synthetic"), effect=0.014)
    runs.loc[(runs["seed"] == 3) & (runs["margin"] == 0.2) & (runs["miner"] == "hard"), "diverged"] = True
    record_study(storage, "s", runs)
    build_report("s", storage)
    address = f"file://{storage / 's' / 'report' / 'report.html'}"
    with opened_page() as page:
        yield Opened(page, address, understand("s", storage).findings, str(runs.loc[runs["diverged"], "key"].iloc[0]))


def row_of(findings: Findings, metric: str, estimand: str) -> str:
    """The row of the first dataset: what a table of the report shows of it, as CSS finds it."""
    (result, *_) = (r for r in findings.results if (r.metric, r.estimand) == (metric, estimand))
    return interval_text(result)


def test_which_loss_for_my_data(opened: Opened) -> None:
    opened.ask("Which loss for my data?")
    for line in headlines(opened.findings):
        assert opened.sees(line.answer, ".lead b")


def test_how_sure_is_that(opened: Opened) -> None:
    opened.ask("How sure is that?")
    assert opened.sees(row_of(opened.findings, "map_at_r", "tuned"), 'tr[data-metric="MAP@R"][data-estimand=tuned] td')


def test_at_which_margin(opened: Opened) -> None:
    opened.ask("At which margin?")
    assert opened.sees("Margins", "h2")
    assert opened.sees("MAP@R by margin", "figure svg")


def test_what_if_half_a_point_matters(opened: Opened) -> None:
    opened.ask("What if half a point matters?")
    assert opened.sees("\u00b10.5 pt", "output")
    runs = opened.findings.stored.runs
    within = found("s", runs, metrics=metrics_with({"map_at_r": 0.005})).results
    rows = verdict_rows([r for r in within if (r.metric, r.estimand) == ("map_at_r", "tuned")]).rows
    own = verdict_rows([r for r in opened.findings.results if (r.metric, r.estimand) == ("map_at_r", "tuned")]).rows
    assert [row[-1] for row in rows] != [row[-1] for row in own]
    for row in rows:
        about = f'tr[data-dataset="{row[0]}"][data-metric="MAP@R"][data-estimand=tuned]'
        assert opened.sees(str(row[-1]), f"{about} .answer")


def test_is_it_so_on_every_dataset(opened: Opened) -> None:
    opened.ask("Is it so on every dataset?")
    verdict = next(one for one in opened.findings.overall if (one.metric, one.estimand) == ("map_at_r", "tuned"))
    assert opened.sees(str(verdict.verdict), 'tr[data-metric="MAP@R"][data-estimand=tuned] td')


def test_is_it_so_without_tuning(opened: Opened) -> None:
    opened.ask("Is it so without tuning?")
    about = 'tr[data-metric="MAP@R"][data-estimand="default setting"] td'
    assert opened.sees(row_of(opened.findings, "map_at_r", "default setting"), about)


def test_what_do_the_losses_do(opened: Opened) -> None:
    opened.ask("What do the losses do?")
    about = 'tr[data-metric="intra-class variance"][data-estimand=tuned] td'
    assert opened.sees(row_of(opened.findings, "intra_variance", "tuned"), about)


def test_is_the_paper_right(opened: Opened) -> None:
    opened.ask("Is the paper right?")
    judged = opened.findings.claims[0]
    assert opened.sees(judged.claim.statement, ".claims strong")
    assert opened.sees(judged.verdict, ".claims .badge")


def test_which_runs_diverged(opened: Opened) -> None:
    opened.ask("Which runs diverged?")
    assert opened.sees(opened.diverged)


def test_which_runs_is_it_from(opened: Opened) -> None:
    opened.ask("Which runs is it from?")
    tuned = opened.findings.comparisons[0].tuned.runs
    for key in tuned.loc[tuned["seed"] == 0, "key"]:
        assert opened.sees(key)


def test_a_question_opens_its_answer_a_second_time(opened: Opened) -> None:
    opened.ask("Is it so without tuning?")
    fold = opened.page.locator(
        "details[open]#which-loss-performs-better-map-r-on-test-data-default-setting-all-margin-1-lr-0-001"
    )
    fold.locator("summary").first.click()
    assert not fold.count()
    opened.page.locator(".questions a", has_text="without tuning").click()
    opened.page.wait_for_timeout(300)
    assert fold.count() == 1
