"""The whole report from records on disk: HTML, figures and the numbers beside them."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.comparisons import Comparison, comparisons
from analysis.report.__main__ import main
from analysis.report.arms import arm_styles
from analysis.report.build import build_report
from analysis.report.figures.conditions import decay
from analysis.report.figures.embeddings import embeddings
from analysis.report.figures.panels import Panel, study_panels
from analysis.report.figures.sketches import chosen_sketches
from analysis.report.files import write_report
from analysis.store.loading import read_study
from tests.analysis.findings import found
from tests.analysis.recorded import EPOCHS, record_study, small_study
from tests.analysis.studies import simulated_runs

STYLE = arm_styles(["triplet"])["triplet"]


class Balanced(HTMLParser):
    """Checks that every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """An element of an SVG, closed as it is opened."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def compared(runs: pd.DataFrame) -> Comparison:
    (comparison,) = comparisons(runs)
    return comparison


def sketches_of(name: str, storage: Path) -> pd.DataFrame:
    study = read_study(name, storage, sketches=True)
    return chosen_sketches(comparisons(study.runs), study.sketches)


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
    assert set(re.findall(r'(?:src|href)="(?!data:|#)([^"]*)', text)) == {"https://arxiv.org/abs/2510.02161"}
    for link in re.findall(r'<a href="#([^"]*)', text):
        assert re.search(rf'<(?:h2|details) id="{link}">', text)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" in text
    assert len(re.findall(r'<figure.*?<svg width="\d+" viewBox="[^"]+" role="img"', text, re.DOTALL)) > 20
    assert (
        text.count("<figure") == text.count("</figure>") == len(re.findall(r'<div class="scroll"><svg width="\d', text))
    )
    names = re.findall(r' id="([^"]+)"', text)
    assert len(set(names)) == len(names)  # figures beside each other do not take each other's parts
    assert set(re.findall(r'xlink:href="#([^"]+)"|url\(#([^)]+)\)', text)) <= {(name, "") for name in names} | {
        ("", name) for name in names
    }
    assert 'name="viewport"' in text
    assert "@media print" in text


def test_the_answer_comes_first_and_every_section_is_there(storage: Path) -> None:
    text = (storage / "small" / "report" / "report.html").read_text()
    order = [
        "digits: use triplet with miner ",
        "What the paper claims",
        "Every claim on every dataset",
        "Which loss performs better",
        "Effects",
        "Dynamics over the epochs",
        "Margins",
        "Decay",
        "Tuning effort",
        "Embeddings",
        "Over all datasets",
        "Tuned verdicts with other regions of practical equivalence",
        "Exploratory",
        "Methods",
        "Where it came from",
    ]
    text = re.sub(r"<svg.*?</svg>", "", text[text.index("<h2") :], flags=re.DOTALL)  # after the contents
    positions = [text.index(part if part == order[0] else f">{part}") for part in order]
    assert positions == sorted(positions)


def test_the_claims_are_open_and_print_shows_what_is_closed(storage: Path) -> None:
    text = (storage / "small" / "report" / "report.html").read_text()
    table = text.index(">p that decides<")
    assert text.count("<details>", 0, table) == 0  # but the contents, which have a class
    assert "x 2.4" in text[: text.index("Every claim on every dataset")]
    assert (
        "details::details-content { content-visibility:visible; display:block; }" in text.partition("@media print")[2]
    )


def test_a_section_of_figures_says_its_seeds_and_its_data(storage: Path) -> None:
    text = (storage / "small" / "report" / "report.html").read_text()
    for section in ("Effects", "Dynamics over the epochs", "Margins", "Decay", "Tuning effort", "Embeddings"):
        caption = text.partition(f">{section}</h2>")[2].partition("</p>")[0]
        assert " n: " in caption
        assert caption.endswith("From study small, data digits digits, synthetic syntheti.")


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
    assert "<script>alert" not in (report / "report.html").read_text()
    assert all(re.fullmatch(r"[a-z0-9-]+\.(svg|csv)", path.name) for path in (report / "figures").iterdir())


def test_sketches_are_of_one_seed_and_of_what_tuning_chose(storage: Path) -> None:
    sketches = sketches_of("small", storage)
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


def test_what_a_study_did_not_measure_is_left_out_with_the_reason(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(5), seeds=9)
    lacking = ["test/map_at_r", "train/loss_decay_censored", "val/map_at_r"]
    record_study(tmp_path, "s", runs.drop(columns=lacking))
    build_report("s", tmp_path)
    text = (tmp_path / "s" / "report" / "report.html").read_text()
    for section, column in zip(("Margins", "Decay", "Tuning effort"), lacking, strict=True):
        assert re.search(rf"Not shown for digits, {section} \([\w ]+\): no run has {column}\.", text)
        assert (f">{section}</h2>" in text) == (section == "Margins")  # the mechanism metrics were measured
    assert ">Effects</h2>" in text


def test_a_decay_time_that_is_missing_is_left_out_and_counted() -> None:
    part = simulated_runs(np.random.default_rng(6), seeds=5)
    part.loc[part["seed"] == 1, "train/loss_decay_epochs"] = np.nan
    part.loc[part["seed"] == 2, "train/loss_decay_censored"] = np.nan
    part.loc[part["seed"] == 3, "diverged"] = True
    drawing = decay(compared(part))
    assert drawing is not None
    assert drawing.note == "Left out: 8 diverged and 16 without a decay time of 40 runs."
    assert drawing.n == "8 triplet and 8 contrastive runs of 2 seeds"
    assert drawing.data.notna().all().all()
    assert drawing.data.groupby("loss")["at_risk"].max().to_dict() == {"contrastive": 8, "triplet": 8}


def test_one_seed_has_a_line_and_no_band(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(7), seeds=1)
    record_study(tmp_path, "s", runs)
    build_report("s", tmp_path)
    for name in ("train-loss-digits", "margins-map-at-r-digits", "margins-grad-norm-digits"):
        drawn = pd.read_csv(tmp_path / "s" / "report" / "figures" / f"{name}.csv")
        assert drawn["mean"].notna().all()
        assert drawn[["low", "high"]].isna().all().all()


def test_an_outlier_does_not_squash_a_picture_and_is_counted() -> None:
    rng = np.random.default_rng(9)
    points = pd.DataFrame({"x": rng.normal(size=200), "y": rng.normal(size=200), "label": 0.0})
    rows = points.assign(dataset="a", loss="triplet", seed=0, condition="all, margin 1, lr 0.001")
    assert embeddings(rows, "triplet", STYLE).note == ""
    rows.loc[0, "x"] = 100.0
    drawing = embeddings(rows, "triplet", STYLE)
    (axes,) = drawing.figure.axes
    assert axes.get_xlim()[1] < 10
    assert axes.get_aspect() == 1.0
    assert re.fullmatch(r"\d+ of 200 samples lie outside the view of triplet\.", drawing.note)


def test_pictures_of_both_losses_are_of_one_seed(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(10), seeds=9, miners=("all",), margins=(1.0,))
    triplet = runs["loss"] == "triplet"
    for name, seeds in (("shared", {"triplet": (2, 5), "contrastive": (0, 5)}), ("apart", {"triplet": (2,)})):
        sketched = {loss: seeds.get(loss, (0,)) for loss in ("triplet", "contrastive")}
        kept = np.where(triplet, runs["seed"].isin(sketched["triplet"]), runs["seed"].isin(sketched["contrastive"]))
        record_study(tmp_path, name, runs, sketched=set(runs.loc[kept, "key"]))
    assert set(sketches_of("shared", tmp_path)["seed"]) == {5}
    assert sketches_of("apart", tmp_path).empty


def test_a_dataset_without_pictures_says_so_where_another_has_some() -> None:
    runs = simulated_runs(np.random.default_rng(13), seeds=2, datasets=("a", "b"))
    point = {"x": 0.0, "y": 0.0, "label": 0.0, "dataset": "a", "seed": 0, "condition": "all, margin 1, lr 0.001"}
    sketches = pd.DataFrame([{**point, "loss": loss} for loss in ("triplet", "contrastive")])
    panels, unavailable = study_panels(comparisons(runs), [], pd.DataFrame(), sketches)
    assert [panel.dataset for panel in panels if panel.section == "Embeddings"] == ["a", "a"]
    assert unavailable == [
        f"Not shown for b, Embeddings (embeddings {loss}): none was kept of both losses with one seed."
        for loss in ("triplet", "contrastive")
    ]


def test_figures_of_datasets_whose_names_look_alike_are_files_of_their_own(tmp_path: Path) -> None:
    names = ("Vögel", "vögel", "v-gel", "plain", "鳥", "long" * 30, "long" * 31)
    numbers = pd.DataFrame({"x": [0.0]})
    panels = [Panel("Margins", name, "margins", '<svg width="1pt">', numbers, "", "1 seed", 1.0) for name in names]
    write_report(found("s", simulated_runs(np.random.default_rng(11), seeds=2)), panels, tmp_path)
    files = [path.name.casefold() for path in (tmp_path / "figures").glob("*.svg")]
    assert len(set(files)) == len(names)
    assert {"margins-plain.svg", "margins-v-gel.svg", "margins-鳥.svg"} <= set(files)
    assert max(map(len, files)) < 80


@pytest.mark.slow
def test_a_report_on_10000_runs_takes_less_than_a_minute_and_two_gigabytes(tmp_path: Path) -> None:
    options = {"miners": ("all", "hard", "semihard", "random"), "margins": tuple(np.linspace(0.1, 1.0, 10))}
    datasets = tuple(f"dataset {number}" for number in range(5))
    runs = simulated_runs(np.random.default_rng(12), seeds=25, datasets=datasets, **options)  # type: ignore[arg-type]
    assert len(runs) == 10_000
    record_study(tmp_path, "s", runs, epochs=50)
    code = (
        "import resource, sys, time; started = time.perf_counter(); from analysis.report.build import build_report; "
        "build_report('s', sys.argv[1]); "
        "print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    seconds, gigabytes = map(float, done.stdout.split())
    print(f"\na report on {len(runs):,} recorded runs: {seconds:.0f} s, {gigabytes:.2f} GB")
    assert seconds <= 60
    assert gigabytes < 2
