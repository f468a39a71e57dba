"""Each run is in MLflow once, and complete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from study.recording.database.runs import TrackedRun
from study.recording.mlflow_connection import open_sink
from study.recording.mlflow_sink import TrackingError
from tests.study.recording.records import record, runs_of


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_writing_a_record_twice_holds_each_run_once(uri: str) -> None:
    sink = open_sink(uri, "s")
    sink.write(record(["a", "b"]))
    sink.write(record(["a", "b"]))
    open_sink(uri, "s").write(record(["a", "b", "c"]))
    assert sorted(run.data.tags["key"] for run in runs_of(uri)) == ["a", "b", "c"]
    assert len(runs_of(uri, "study")) == 1


def test_a_run_trained_again_by_other_code_replaces_the_old_one(uri: str) -> None:
    open_sink(uri, "s").write(record(["a"], version="1"))
    sink = open_sink(uri, "s")
    sink.write(record(["a"], version="2"))
    sink.write(record(["a"], version="2"))
    assert [run.data.tags["code_version"] for run in runs_of(uri)] == ["2"]


def test_the_tags_of_a_record_do_not_make_its_run_another(uri: str) -> None:
    honest, forged = record(["a"]), record(["b"])
    tags = {**forged.runs[0].tags, "key": "a", "level": "study"}
    for pack in (honest, replace(forged, runs=(replace(forged.runs[0], tags=tags),))):
        open_sink(uri, "s").write(pack)
    assert sorted(run.data.tags["key"] for run in runs_of(uri)) == ["a", "b"]
    assert len(runs_of(uri, "study")) == 1


def test_more_points_than_a_request_carries_all_arrive(uri: str) -> None:
    open_sink(uri, "s").write(record(["a"], points_each=2500))
    (run,) = runs_of(uri)
    assert len(MlflowClient(uri).get_metric_history(run.info.run_id, "train/loss")) == 2500


def test_a_half_filled_run_is_filled_to_the_end(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = open_sink(uri, "s")
    monkeypatch.setattr(sink.client, "set_terminated", _fail)
    sink.study_run = "x"
    with pytest.raises(TrackingError, match="away"):
        sink.write(record(["a"]))
    assert [run.info.status for run in runs_of(uri)] == ["RUNNING"]
    open_sink(uri, "s").write(record(["a"]))
    (run,) = runs_of(uri)
    assert run.info.status == "FINISHED"
    assert len(MlflowClient(uri).get_metric_history(run.info.run_id, "train/loss")) == 5


def test_a_run_that_a_retried_request_made_twice_is_there_once(uri: str) -> None:
    sink = open_sink(uri, "s")
    sink.write(record(["a"]))
    client = MlflowClient(uri)
    client.create_run(sink.experiment, tags={"level": "run", "key": "a"})
    client.create_run(sink.experiment, tags={"level": "study", "key": "study"})
    open_sink(uri, "s").write(record(["a"]))
    assert [run.info.status for run in runs_of(uri)] == ["FINISHED"]
    assert [run.info.status for run in runs_of(uri, "study")] == ["FINISHED"]


def cell(content: str, value: float = 0.5) -> TrackedRun:
    tags = {"level": "cell", "key": "cell/tuned/a", "content": content}
    return TrackedRun("cell/tuned/a", "a", 1, 1, tags, {"loss": "triplet"}, [("map_at_r/mean", 0, value)])


def test_an_aggregate_is_replaced_when_it_says_something_else_and_goes_when_it_is_no_more(uri: str) -> None:
    open_sink(uri, "s").write(record(["a"]))
    for content, value in (("x", 0.5), ("x", 0.5), ("y", 0.6)):
        sink = open_sink(uri, "s")
        sink.write_cells([cell(content, value)])
        (held,) = runs_of(uri, "cell")
        assert held.data.metrics == {"map_at_r/mean": value}
        assert held.data.tags["mlflow.parentRunId"] == sink.study_run
    MlflowClient(uri).create_run(sink.experiment, tags=dict(cell("y").tags))  # one that was written only partly
    open_sink(uri, "s").write_cells([cell("y")])
    assert [run.info.status for run in runs_of(uri, "cell")] == ["FINISHED"]
    open_sink(uri, "s").write_cells([])
    assert runs_of(uri, "cell") == []
    assert [run.data.tags["key"] for run in runs_of(uri)] == ["a"]


def test_the_tree_of_an_older_version_stays_and_no_run_is_written_twice(uri: str) -> None:
    sink = open_sink(uri, "s")
    sink.write(record(["a"]))
    client, (run,) = MlflowClient(uri), runs_of(uri)
    parent = client.create_run(sink.experiment, tags={"level": "cell", "key": "cell/digits mlp triplet all"})
    client.set_terminated(parent.info.run_id)
    client.set_tag(run.info.run_id, "mlflow.parentRunId", parent.info.run_id)
    later = open_sink(uri, "s")
    later.write(record(["a"]))
    later.write_cells([cell("x")])
    assert [(each.info.run_id, each.data.tags["mlflow.parentRunId"]) for each in runs_of(uri)] == [
        (run.info.run_id, parent.info.run_id)
    ]
    assert len(runs_of(uri, "cell")) == 2


def _fail(*_: object) -> None:
    raise OSError("away")
