"""Runs that MLflow shows while they train, in databases and through MLflow's interface."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from study.recording.live.shown import LIVE_TAG
from study.recording.mlflow_connection import open_sink
from tests.study.recording.databases import Databases
from tests.study.recording.live.news import news, told
from tests.study.recording.records import record, runs_of
from tests.study.recording.tables import TABLES, content

PACK = record(["a", "b", "c"])


@pytest.fixture(params=["inserted", "through the interface"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How runs come into the database."""
    if request.param != "inserted":
        for place in ("live.shown.insert_runs", "live.shown.add_points", "live.shown.complete_runs"):
            monkeypatch.setattr(f"study.recording.{place}", lambda *_: None)
        monkeypatch.setattr("study.recording.mlflow_sink.insert_runs", lambda *_: None)
    return str(request.param)


@pytest.fixture
def uri(empty: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(empty, tmp_path / 'mlflow.db')}"


def states(uri: str) -> dict[str, str]:
    return {run.data.tags["key"]: run.info.status for run in runs_of(uri)}


def test_runs_that_were_shown_end_as_the_same_runs_and_to_the_last_row_as_others(
    databases: Databases, way: str
) -> None:
    shown, plain = databases.new(), databases.new()
    sink, pack = open_sink(shown, "s", mark="here"), told(PACK, [0, 1])
    sink.show(pack)
    trained = {run.info.run_id: run for run in runs_of(shown)}
    assert {run.info.status for run in trained.values()} == {"RUNNING"}
    assert sorted(run.data.tags["key"] for run in trained.values()) == ["a", "b", "c"]
    (one, *_) = trained.values()
    assert one.data.metrics == {"train/loss": 0.5}
    assert (one.data.params["margin"], one.data.tags["mlflow.parentRunId"]) == ("0.5", sink.study_run)
    pack.add(news(PACK, [0, 1, 2, 3]).points)
    sink.show(pack)
    client = MlflowClient(shown)
    assert [each.step for each in client.get_metric_history(one.info.run_id, "train/loss")] == [0, 1, 2, 3]
    assert {run.data.metrics["train/loss"] for run in runs_of(shown)} == {0.25}
    sink.write(PACK)
    assert {run.info.run_id for run in runs_of(shown)} == set(trained)
    open_sink(plain, "s").write(PACK)
    first, second = content(shown), content(plain)
    for table in TABLES:
        assert len(first[table])
        pd.testing.assert_frame_equal(first[table], second[table], check_exact=True)
    sink.write(record(["d"]))  # the sink goes on as ever
    assert states(shown) == dict.fromkeys("abcd", "FINISHED")


def test_what_is_recorded_counts_where_something_else_was_shown(uri: str, way: str) -> None:
    """A pack that begins anew on a GPU agrees within rounding; a metric that ends in infinity is left out."""
    sink, pack = open_sink(uri, "s", mark="here"), told(PACK, [0, 1], add=1e-9)
    sink.show(pack)
    ids = {run.info.run_id for run in runs_of(uri)}
    sink.write(PACK)
    runs = runs_of(uri)
    assert states(uri) == dict.fromkeys("abc", "FINISHED")
    assert ({run.info.run_id for run in runs} == ids) == (way == "inserted")
    history = MlflowClient(uri).get_metric_history(runs[0].info.run_id, "train/loss")
    assert sorted((each.step, each.value) for each in history) == [(epoch, 1.0 / (epoch + 1)) for epoch in range(5)]
    assert not any(LIVE_TAG in run.data.tags for run in runs)


def test_runs_of_a_session_that_died_go_with_the_next_one_and_those_on_other_storages_stay(uri: str, way: str) -> None:
    other = record(["x"])
    open_sink(uri, "s", mark="elsewhere").show(told(other, [0]))
    open_sink(uri, "s", mark="here").show(told(PACK, [0]))
    assert states(uri) == dict.fromkeys("abcx", "RUNNING")
    sink = open_sink(uri, "s", mark="here")
    assert states(uri) == {"x": "RUNNING"}
    sink.write(record(["x", "a"]))  # the other session may die, so this one has its own
    assert sorted((run.data.tags["key"], run.info.status) for run in runs_of(uri)) == [
        *(("a", "FINISHED"), ("x", "FINISHED"), ("x", "RUNNING"))
    ]


def test_a_session_that_was_shown_shows_all_again_after_mlflow_was_away(uri: str, way: str) -> None:
    pack = told(PACK, [0, 1])
    open_sink(uri, "s", mark="here").show(pack)
    pack.add(news(PACK, [2]).points)
    sink = open_sink(uri, "s", mark="here")
    sink.show(pack)
    (one, *_) = runs_of(uri)
    history = MlflowClient(uri).get_metric_history(one.info.run_id, "train/loss")
    assert [each.step for each in history] == [0, 1, 2]
    sink.write(PACK)
    assert states(uri) == dict.fromkeys("abc", "FINISHED")


def test_a_run_that_somebody_deleted_while_it_trained_is_written_when_it_ends(uri: str, way: str) -> None:
    sink = open_sink(uri, "s", mark="here")
    sink.show(told(PACK, [0]))
    MlflowClient(uri).delete_run(runs_of(uri)[1].info.run_id)
    sink.write(PACK)
    assert states(uri) == dict.fromkeys("abc", "FINISHED")


def test_what_mlflow_holds_already_is_not_shown(uri: str, way: str) -> None:
    sink = open_sink(uri, "s", mark="here")
    sink.write(record(["a"]))
    sink.show(told(replace(record(["a", "b"]), pack="again"), [0]))
    assert states(uri) == {"a": "FINISHED", "b": "RUNNING"}


def test_runs_that_bring_no_result_go(uri: str, way: str) -> None:
    sink = open_sink(uri, "s", mark="here")
    sink.show(told(PACK, [0]))
    MlflowClient(uri).delete_run(runs_of(uri)[0].info.run_id)  # as somebody may
    sink.withdraw(["a"])
    sink.withdraw(["b", "unknown"])
    sink.withdraw()
    assert states(uri) == {}
