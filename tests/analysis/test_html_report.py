"""The whole report from records on disk: HTML, figures and the numbers beside them."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import load_study
from analysis.curves import load_curves
from analysis.report import build_report, main
from analysis.sketches import load_sketches
from tests.analysis.recorded import EPOCHS, record_study, small_study
from tests.analysis.studies import simulated_runs


class Balanced(HTMLParser):
    """Checks that every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    small_study(folder, effect=0.05)
    build_report("small", folder)
    return folder


def test_the_html_report_is_one_file_that_needs_no_network(storage: Path) -> None:
    text = (storage / "small" / "report" / "report.html").read_text()
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "<script" not in text
    assert text.count("data:image/svg+xml;base64,") == text.count("<figure") > 20
    assert 'name="viewport"' in text
    assert "@media print" in text


def test_the_answer_comes_first_and_every_section_is_there(storage: Path) -> None:
    text = (storage / "small" / "report" / "report.html").read_text()
    order = [
        "triplet retrieves better, each loss tuned",
        "What the paper claims",
        "Which loss performs better",
        "Effects",
        "Dynamics over the epochs",
        "Margins",
        "Decay",
        "Tuning effort",
        "Embeddings",
        "Over all datasets",
        "Exploratory",
        "Methods",
        "Where it came from",
    ]
    places = [text.index(part if part == order[0] else f">{part}") for part in order]
    assert places == sorted(places)


def test_every_figure_has_its_numbers_beside_it(storage: Path) -> None:
    figures = storage / "small" / "report" / "figures"
    drawn, tables = sorted(figures.glob("*.svg")), sorted(figures.glob("*.csv"))
    assert [path.stem for path in drawn] == [path.stem for path in tables]
    loss = pd.read_csv(figures / "train-loss-digits.csv")
    assert loss[loss["loss"] == "triplet"]["mean"].tolist() == [0.5**epoch for epoch in range(1, EPOCHS + 1)]
    assert set(loss["n"]) == {13}
    assert all("#0072b2" in path.read_text().lower() for path in drawn if path.stem.startswith("train"))


def test_the_same_study_gives_the_same_report(storage: Path) -> None:
    report = storage / "small" / "report" / "report.html"
    before = report.read_bytes()
    build_report("small", storage)
    assert report.read_bytes() == before


def test_names_from_a_study_are_text_and_never_markup(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=9, datasets=("<script>alert(1)</script>",))
    record_study(tmp_path, "small", runs)
    build_report("small", tmp_path)
    report = tmp_path / "small" / "report"
    assert "<script>" not in (report / "report.html").read_text()
    assert all(re.fullmatch(r"[a-z0-9-]+\.(svg|csv)", path.name) for path in (report / "figures").iterdir())


def test_curves_leave_out_diverged_runs_and_conditions_of_one_loss(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(2), seeds=9)
    runs.loc[(runs["loss"] == "triplet") & (runs["seed"] == 4), "diverged"] = True
    runs = runs[~((runs["loss"] == "triplet") & (runs["margin"] == 1.0))]
    record_study(tmp_path, "s", runs)
    curves = load_curves(load_study("s", tmp_path), "s", tmp_path)
    seeds = curves[curves["metric"] == "train/loss"].groupby("loss")["n"].max()
    assert seeds.to_dict() == {"contrastive": 9, "triplet": 8}


def test_sketches_are_of_one_seed_and_of_what_tuning_chose(storage: Path) -> None:
    runs = load_study("small", storage)
    sketches = load_sketches(runs, "small", storage)
    assert set(sketches["seed"]) == {0}
    assert sketches.groupby(["dataset", "loss"]).size().to_dict() == {
        (dataset, loss): 3 for dataset in ("digits", "synthetic") for loss in ("contrastive", "triplet")
    }


def test_what_can_be_reported_of_half_a_study_is(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(3), seeds=9, datasets=("digits", "synthetic"))
    record_study(tmp_path, "s", runs[~((runs["dataset"] == "digits") & (runs["loss"] == "triplet"))], pack=10)
    records = tmp_path / "s" / "records"
    broken = min(records.glob("*.parquet"))
    broken.write_bytes(broken.read_bytes()[:-10])
    shown = build_report("s", tmp_path)
    text = (tmp_path / "s" / "report" / "report.html").read_text()
    assert "synthetic" in shown
    assert "digits has no runs of the triplet loss" in text
    assert "is cut short or altered" in text


def test_a_study_that_is_not_there_or_empty_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--study", "absent", "--storage", str(tmp_path)]) == 2
    (tmp_path / "empty" / "records").mkdir(parents=True)
    assert main(["--study", "empty", "--storage", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: no runs of a study") for line in lines)


def test_a_report_on_1000_runs_takes_seconds(tmp_path: Path) -> None:
    options = {"datasets": ("a", "b"), "miners": ("all", "hard", "semihard"), "margins": (0.1, 0.2, 0.5, 1.0)}
    runs = simulated_runs(np.random.default_rng(4), seeds=21, **options)  # type: ignore[arg-type]
    assert len(runs) == 1008
    record_study(tmp_path, "s", runs)
    started = time.perf_counter()
    build_report("s", tmp_path)
    assert time.perf_counter() - started < 15
