"""A filled MLflow holds aggregates, views and the study's verdicts, each once, whatever was there before."""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from analysis import load_study, verdicts
from analysis.report.build import Study
from study.sync import main
from tests.analysis.recorded import EPOCHS
from tests.analysis.searched import searched_runs
from tests.analysis.studies import simulated_runs
from tests.study.recording.browsing.filled import experiment_tags, filled, found, uri_of


def small_runs(seeds: int = 8) -> pd.DataFrame:
    datasets = ("digits", "synthetic")
    return simulated_runs(np.random.default_rng(0), seeds, datasets, miners=("all",), effect=0.05)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    storage = tmp_path_factory.mktemp("grid")
    return storage, filled(storage, small_runs())


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    storage = tmp_path_factory.mktemp("search")
    runs = searched_runs(np.random.default_rng(0), seeds=8, miners=("all",)).assign(lr=1e-3)
    return storage, filled(storage, runs.assign(diverged=runs["key"].str.endswith("-0-0-0")))


def state_of(tags: dict[str, str], title: str) -> dict[str, Any]:
    values = [json.loads(value) for key, value in tags.items() if key.startswith("mlflow.sharedViewState.")]
    (packed,) = [value["state"] for value in values if value["name"] == title]
    return dict(json.loads(zlib.decompress(base64.b64decode(packed.removeprefix("deflate;")))))


def test_each_arm_has_the_means_of_its_verdict_with_their_intervals(study: tuple[Path, Study]) -> None:
    storage, _ = study
    cells = found(storage, "tags.cell = 'tuned'")
    assert sorted(cells) == ["contrastive digits", "contrastive synthetic", "triplet digits", "triplet synthetic"]
    table = verdicts(load_study("s", storage))
    rows = table[(table["estimand"] == "tuned") & (table["metric"] == "map_at_r")]
    for row in rows.itertuples():
        for arm, mean in ((row.first, row.first_mean), (row.second, row.second_mean)):
            cell = cells[f"{arm} {row.dataset}"]
            assert cell.data.metrics["map_at_r/mean"] == pytest.approx(mean, rel=1e-12)
            assert cell.data.metrics["map_at_r/ci_low"] < mean < cell.data.metrics["map_at_r/ci_high"]
            assert cell.data.metrics["seeds"] == 8
            assert cell.data.tags["verdict"] == row.verdict == "triplet"


def test_curves_by_epoch_go_with_the_runs_that_the_report_draws(study: tuple[Path, Study]) -> None:
    storage, known = study
    client = MlflowClient(uri_of(storage))
    cell = found(storage, "tags.cell = 'grid average'")["triplet digits"]
    points = client.get_metric_history(cell.info.run_id, "digits loss/ci_high")
    drawn = known.curves.query("dataset == 'digits' and loss == 'triplet' and metric == 'train/loss'")
    assert [point.step for point in points] == list(range(1, EPOCHS + 1)) == drawn["epoch"].tolist()
    assert [point.value for point in points] == drawn["high"].tolist()


def test_each_setting_of_a_grid_is_there_and_of_a_search_each_fifth_of_the_margins(
    study: tuple[Path, Study], searched: tuple[Path, Study]
) -> None:
    grid = found(study[0], "tags.cell = 'setting' and params.dataset = 'digits'")
    assert sorted(grid) == ["contrastive 0.2 digits", "contrastive 1 digits", "triplet 0.2 digits", "triplet 1 digits"]
    drawn = found(searched[0], "tags.cell = 'setting'")
    assert len(drawn) == 10
    assert sorted(cell.data.metrics["rank"] for cell in drawn.values()) == sorted(2 * [1.0, 2.0, 3.0, 4.0, 5.0])


def test_what_failed_lists_what_diverged_below_how_many_of_each_arm_did(searched: tuple[Path, Study]) -> None:
    failed = found(searched[0], "tags.diverged != 'false'")
    counted = {name: run.data.tags["diverged"] for name, run in failed.items() if run.data.tags["level"] == "cell"}
    assert counted == {"contrastive data0": "1 of 72 runs", "triplet data0": "1 of 72 runs"}
    assert [run.data.tags["diverged"] for run in failed.values() if run.data.tags["level"] == "run"] == ["epoch 2"] * 2


def test_the_views_are_short_enough_and_list_only_what_is_there(study: tuple[Path, Study]) -> None:
    storage, _ = study
    tags = experiment_tags(storage)
    views = {key: value for key, value in tags.items() if key.startswith("mlflow.sharedViewState.")}
    titles = ["Which loss is better", "What the losses do", "Which setting", "What failed"]
    assert [json.loads(views[f"mlflow.sharedViewState.{key}"])["name"] for key in (1, 2, 3, 4)] == titles
    assert max(map(len, views.values())) < 20_000
    for title in titles:
        state = state_of(tags, title)
        shown = found(storage, state["searchFilter"]).values()
        assert shown
        held = {f"metrics.`{name}`" for run in shown for name in run.data.metrics}
        held |= {f"params.`{name}`" for run in shown for name in run.data.params}
        held |= {f"tags.`{name}`" for run in shown for name in run.data.tags}
        charted = {chart["metricKey"] for chart in state["compareRunCharts"] if "metricKey" in chart}
        charted |= {name for chart in state["compareRunCharts"] for name in chart.get("selectedMetrics", [])}
        assert {f"metrics.`{name}`" for name in charted} <= held
        optional = {"tags.`chosen`", *(f"params.`{name}`" for name in ("margin", "lr", "seed"))}
        optional |= {"metrics.`collapsed`", "metrics.`satisfied`"}
        assert {state["orderByKey"], *state["selectedColumns"]} - optional <= held
        sections = {section["uuid"] for section in state["compareRunSections"]}
        assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == sections


def test_the_answer_stands_in_the_title_of_its_charts(study: tuple[Path, Study]) -> None:
    storage, known = study
    titles = [
        section["name"] for section in state_of(experiment_tags(storage), "Which loss is better")["compareRunSections"]
    ]
    (result,) = [
        r for r in known.findings.results if (r.dataset, r.estimand, r.metric) == ("digits", "tuned", "map_at_r")
    ]
    assert result.second == "triplet" or result.difference > 0
    ends = sorted(abs(end) for end in (result.ci_low, result.ci_high))
    expected = f"digits: triplet {100 * abs(result.difference):+.2f} pt [{100 * ends[0]:+.2f}, {100 * ends[1]:+.2f}]"
    assert titles[0] == expected


def test_the_studys_run_can_be_found_by_its_verdicts_and_says_them(study: tuple[Path, Study]) -> None:
    storage, known = study
    (run,) = found(storage, "tags.verdict_digits = 'triplet' and tags.verdict = 'triplet'").values()
    assert run.data.tags["level"] == "study"
    tuned = [result for result in known.findings.results if (result.estimand, result.metric) == ("tuned", "map_at_r")]
    said = [run.data.metrics[f"difference_{dataset}"] for dataset in ("digits", "synthetic")]
    assert said == [result.difference for result in tuned]
    note = run.data.tags["mlflow.note.content"]
    assert "**digits: use triplet" in note
    assert "| digits | MAP@R | 8 |" in note
    assert note.count("viewStateShareKey=") == 4
    assert [(each.dataset.name, each.dataset.digest) for each in run.inputs.dataset_inputs] == [
        ("digits", "digits"),
        ("synthetic", "synthetic"),
    ]


def test_filling_again_changes_nothing_and_a_study_that_grows_replaces_its_aggregates(tmp_path: Path) -> None:
    runs = small_runs(seeds=9)
    filled(tmp_path, runs[runs["seed"] < 8])
    before = {name: run.info.run_id for name, run in found(tmp_path, "tags.cell = 'tuned'").items()}
    (parent,) = found(tmp_path, "tags.level = 'study'").values()
    filled(tmp_path, runs[runs["seed"] < 8])
    assert {name: run.info.run_id for name, run in found(tmp_path, "tags.cell = 'tuned'").items()} == before
    filled(tmp_path, runs)
    grown = found(tmp_path, "tags.cell = 'tuned'")
    assert grown.keys() == before.keys()
    assert {run.data.metrics["seeds"] for run in grown.values()} == {9}
    assert {run.data.tags["mlflow.parentRunId"] for run in grown.values()} == {parent.info.run_id}
    history = MlflowClient(uri_of(tmp_path)).get_metric_history(parent.info.run_id, "seeds_digits")
    assert [point.value for point in history] == [8, 9]
    assert len(load_study("s", tracking_uri=uri_of(tmp_path))) == len(runs)


def test_a_study_of_one_loss_has_its_settings_and_no_comparison(tmp_path: Path) -> None:
    runs = small_runs()
    filled(tmp_path, runs[runs["loss"] == "triplet"])
    assert found(tmp_path, "tags.cell = 'tuned'") == {}
    assert len(found(tmp_path, "tags.cell = 'setting'")) == 4
    names = {json.loads(v)["name"] for k, v in experiment_tags(tmp_path).items() if k.startswith("mlflow.shared")}
    assert names == {"Which setting", "What failed"}


def test_the_addresses_are_printed_as_they_are(study: tuple[Path, Study], capsys: pytest.CaptureFixture[str]) -> None:
    storage, _ = study
    assert main(["--name", "s", "--storage", str(storage)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "viewStateShareKey" in line]
    assert [line.split("viewStateShareKey=")[1].split("&")[0] for line in lines] == ["1", "2", "3", "4"]
    assert all("http://127.0.0.1:5000/#/experiments/" in line for line in lines)


def test_sqlite_knows_how_many_rows_it_has(study: tuple[Path, Study]) -> None:
    with sqlite3.connect(study[0] / "mlflow.db") as database:
        counted = database.execute("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'latest_metrics'").fetchone()
    assert counted[0] > 0
