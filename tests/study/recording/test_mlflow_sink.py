"""Each run is in MLflow once, and complete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

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
    assert len(runs_of(uri, "cell")) == len(runs_of(uri, "study")) == 1


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
    sink._parents = {("study",): "x", ("cell", "digits mlp triplet all"): "x"}
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
    client.create_run(sink.experiment, tags={"level": "cell", "key": "cell/digits mlp triplet all"})
    open_sink(uri, "s").write(record(["a"]))
    assert [run.info.status for run in runs_of(uri)] == ["FINISHED"]
    assert [run.info.status for run in runs_of(uri, "cell")] == ["FINISHED"]


def _fail(*_: object) -> None:
    raise OSError("away")
