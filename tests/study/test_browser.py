"""In a real browser each address that a study prints opens on its answer, with the numbers of the verdict table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from tests.browser import PATIENCE, comes_to_show, count_of, keep_picture, opened_page
from tests.study.processes import Server, Session, free_port, run_to_end, wait_for

pytestmark = pytest.mark.browser
SMALL = ["--datasets", "digits", "synthetic", "--miners", "all", "--margins", "0.5", "4"]

FIRST_CHART = """() => document.querySelector('.js-plotly-plot').data.map(
    line => ({name: line.name, metric: line.metricKey, last: line.y[line.y.length - 1]}))"""


@dataclass(frozen=True)
class Opened:
    """A finished study behind MLflow's server, and a browser.

    Attributes:
        page: Of the browser.
        addresses: Those that the command printed, by title.
        verdicts: The verdict table, for MAP@R with each loss tuned, by dataset.
        curve: The training loss on digits by epoch, as the report draws it.
        report: The report's page.
    """

    page: Any
    addresses: dict[str, str]
    verdicts: pd.DataFrame
    curve: pd.DataFrame
    report: str

    def look(self, title: str, until: str) -> None:
        """Opens an address, waits until something is there, and keeps a picture."""
        look(self.page, title, self.addresses[title], until)


def look(page: Any, title: str, address: str, until: str) -> None:
    """Opens an address, waits until something is there, and keeps a picture."""
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(until, state="attached", timeout=PATIENCE)
    page.wait_for_timeout(2000)
    keep_picture(page, title)


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with opened_page(1400) as page:
        yield page


@contextmanager
def served(storage: Path, page: Any) -> Iterator[Server]:
    """MLflow's server of a storage, open in the browser."""
    server = Server(f"sqlite:///{storage / 'mlflow.db'}", free_port(), storage / "artifacts")
    try:
        wait_for(server.answers)
        page.goto(server.address)
        page.wait_for_timeout(3000)
        yield server
    finally:
        server.stop()


def printed(output: str) -> dict[str, str]:
    """The addresses that a session has printed, by title, without the server's."""
    return dict(re.findall(r"^ +(\w[\w ]+\w)  +http://127\.0\.0\.1:5000/(#\S+)$", output, re.MULTILINE))


@pytest.fixture(scope="module")
def opened(page: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    storage = tmp_path_factory.mktemp("results")
    output = run_to_end(*SMALL, "--seeds", "11", "--epochs", "4", "--name", "s", "--storage", str(storage))
    table = pd.read_csv(storage / "s" / "report" / "verdicts.csv")
    tuned = table[(table["estimand"] == "tuned") & (table["metric"] == "map_at_r")].set_index("dataset")
    curve = pd.read_csv(storage / "s" / "report" / "figures" / "train-loss-digits.csv")
    with served(storage, page) as server:
        addresses = {title: f"{server.address}/{place}" for title, place in printed(output).items()}
        report = (storage / "s" / "report" / "report.html").read_text()
        yield Opened(page, addresses, tuned, curve, report.replace("http://127.0.0.1:5000", server.address))


def test_which_loss_is_better_opens_on_the_verdicts(opened: Opened) -> None:
    opened.look("Which loss is better", ".bartext")
    for dataset, row in opened.verdicts.to_dict("index").items():
        turned = row["side"] == row["second"]
        ends = (-row["ci_high"], -row["ci_low"]) if turned else (row["ci_low"], row["ci_high"])
        difference = -row["difference"] if turned else row["difference"]
        said = f"{dataset}: {row['verdict']} {100 * difference:+.2f} pt [{100 * ends[0]:+.2f}, {100 * ends[1]:+.2f}]"
        assert comes_to_show(opened.page, said)
        assert comes_to_show(opened.page, f"{dataset} map_at_r/mean")
    bars = opened.page.locator(".bartext").all_text_contents()
    first = opened.verdicts.loc[opened.verdicts.index[0]]  # that of the charts in sight
    assert {f"{float(bar):.2f}" for bar in bars} >= {f"{first.first_mean:.2f}", f"{first.second_mean:.2f}"}


def test_what_the_losses_do_opens_on_curves_of_both_with_their_intervals(opened: Opened) -> None:
    opened.look("What the losses do", ".scatterlayer .trace")
    for dataset in opened.verdicts.index:
        assert comes_to_show(opened.page, f"{dataset}, by epoch: mean and 95% interval")
    drawn = opened.page.evaluate(FIRST_CHART)
    assert {(line["name"], line["metric"]) for line in drawn} == {
        (f"{loss} digits", f"digits loss/{end}")
        for loss in ("contrastive", "triplet")
        for end in ("mean", "ci_low", "ci_high")
    }
    last = opened.curve[opened.curve["epoch"] == opened.curve["epoch"].max()].set_index("loss")["mean"]
    means = {line["name"].split()[0]: line["last"] for line in drawn if line["metric"].endswith("/mean")}
    assert means == pytest.approx(last.to_dict())
    assert not re.search(r"Model metrics \(\d+\)|No charts in this section", opened.page.inner_text("body"))


def test_which_setting_opens_on_settings_and_margins(opened: Opened) -> None:
    opened.look("Which setting", ".scatterlayer .point")
    for dataset in opened.verdicts.index:
        assert comes_to_show(opened.page, f"{dataset}: mean MAP@R of each setting")
    assert comes_to_show(opened.page, "margin vs. digits map_at_r/mean")
    points = opened.page.locator(".js-plotly-plot").filter(has=opened.page.locator(".scatterlayer .point")).first
    assert count_of(points.locator(".scatterlayer .point"), 4) == 4, "two margins of two losses"


def test_what_failed_opens_on_how_many_runs_diverged(opened: Opened) -> None:
    opened.look("What failed", "[role=row] [role=gridcell]")
    assert count_of(opened.page.get_by_text("0 of 22 runs"), 4) == 4


def test_the_studys_description_leads_to_the_same_views(opened: Opened) -> None:
    opened.page.goto("about:blank")
    experiment = opened.addresses["What failed"].split("/runs?")[0]
    opened.page.goto(f"{experiment}/runs?workflowType=machine_learning")
    opened.page.locator("[role=row] a", has_text=re.compile("^s$")).first.click(timeout=PATIENCE)
    opened.page.get_by_text("Show more").click(timeout=PATIENCE)
    for title in opened.addresses:
        assert count_of(opened.page.get_by_role("link", name=title), 1) == 1


def test_runs_in_training_are_seen_with_their_curves(
    page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "19")  # the browser comes first
    session = Session("--seeds", "2", "--epochs", "1000000", "--live-seconds", "1", "--storage", str(tmp_path))
    title = "While it trains"
    try:
        assert session.process.stderr is not None
        place = next(said[title] for line in session.process.stderr if (said := printed(line)))
        with served(tmp_path, page) as server:
            look(page, title, f"{server.address}/{place}", ".scatterlayer .trace")
            drawn = page.evaluate(FIRST_CHART)
            client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
            running = client.search_runs(["1"], "attributes.status = 'RUNNING' and tags.level = 'run'")
            assert {line["name"] for line in drawn} == {run.info.run_name for run in running}
            for line in drawn:
                assert line["metric"] == "val/map_at_r"
                (run,) = (run for run in running if run.info.run_name == line["name"])
                points = client.get_metric_history(run.info.run_id, line["metric"])
                assert line["last"] in [point.value for point in points if point.step > 0]
    finally:
        session.kill()


def test_a_run_in_the_report_leads_to_that_run_alone_in_mlflow(opened: Opened) -> None:
    row = r'<tr[^>]*><td class="word">digits</td><td>0</td><td class="word">triplet</td>.*?<a href="([^"]+)">'
    (address, *_) = re.findall(row, opened.report)
    opened.page.goto("about:blank")
    opened.page.goto(unescape(address))
    opened.page.get_by_text("1 matching run").wait_for(timeout=PATIENCE)
    assert count_of(opened.page.locator("[role=row] a", has_text=re.compile("^triplet .* seed 0 digits")), 1) == 1
