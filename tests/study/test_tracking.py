from __future__ import annotations

import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from analysis.mlflow_client import without_passwords
from analysis.records import PackRecord, RunDescription
from study.recording import Recorder
from study.tracking import TrackingError, TrackingSink, browse_hint, open_sink
from tests.study.processes import wait_for

PARAMS: dict[str, str | int | float] = {
    "dataset": "digits",
    "encoder": "mlp",
    "loss": "triplet",
    "miner": "all",
    "margin": 0.5,
    "lr": 1e-3,
    "epochs": 800,
}


def record(keys: list[str], points_each: int = 5, version: str = "1") -> PackRecord:
    runs = tuple(
        RunDescription(key, {**PARAMS, "seed": seed}, {"pack": "p", "diverged": "false", "code_version": version})
        for seed, key in enumerate(keys)
    )
    points = pd.DataFrame(
        [(key, "train/loss", epoch, 1.0 / (epoch + 1)) for key in keys for epoch in range(points_each)],
        columns=["key", "metric", "epoch", "value"],
    )
    return PackRecord("p", 1_699_999_999_000, 1_700_000_000_000, runs, points)


def runs_of(uri: str, level: str = "run") -> list:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("s")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], f"tags.level = '{level}'"))


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


def opened(sink: TrackingSink) -> Future[TrackingSink]:
    opening: Future[TrackingSink] = Future()
    opening.set_result(sink)
    return opening


def away() -> Future[TrackingSink]:
    opening: Future[TrackingSink] = Future()
    opening.set_exception(TrackingError("the server is away", away=True))
    return opening


def test_a_tracking_server_that_fails_loses_nothing(uri: str, tmp_path: Path) -> None:
    sink = open_sink(uri, "s")
    real_write, fail = sink.write, True

    class Flaky(TrackingSink):
        def write(self, item: PackRecord) -> None:
            if fail:
                raise TrackingError("the server is away", away=True)
            real_write(item)

    flaky = Flaky(sink.client, sink.experiment, "s")
    recorder = Recorder(tmp_path / "records", opened(flaky), lambda: flaky)
    recorder.add(record(["a"]))
    fail = False
    recorder.add(record(["b"]))
    assert recorder.close() is flaky
    assert {run.data.tags["key"] for run in runs_of(uri)} == {"a", "b"}
    assert len(list((tmp_path / "records").glob("*.parquet"))) == 2


def test_a_tracking_server_that_stays_away_is_reported_and_the_record_stays(tmp_path: Path) -> None:
    asked = []

    def connect() -> TrackingSink:
        asked.append(1)
        raise TrackingError("the server is away", away=True)

    recorder = Recorder(tmp_path / "records", away(), connect)
    for name in ("a", "b", "c"):
        recorder.add(record([name]))
    with pytest.raises(TrackingError, match="away"):
        recorder.close()
    assert len(asked) == 1, "a server that is away is not asked for every record"
    assert len(list((tmp_path / "records").glob("*.parquet"))) == 3


def test_a_tracking_server_that_comes_late_gets_everything(uri: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "records", away(), lambda: open_sink(uri, "s"), pause=0.0)
    recorder.add(record(["a"]))
    recorder.close()
    assert [run.data.tags["key"] for run in runs_of(uri)] == ["a"]


def test_a_record_that_mlflow_refuses_does_not_hold_up_the_others(uri: str, tmp_path: Path) -> None:
    sink = open_sink(uri, "s")

    class Picky(TrackingSink):
        def write(self, item: PackRecord) -> None:
            if item.runs[0].key == "a":
                raise TrackingError("refused")
            sink.write(item)

    picky = Picky(sink.client, sink.experiment, "s")
    recorder = Recorder(tmp_path / "records", opened(picky), lambda: sink)
    recorder.add(record(["a"]))
    recorder.add(record(["b"]))
    with pytest.raises(TrackingError, match="refused"):
        recorder.close()
    assert [run.data.tags["key"] for run in runs_of(uri)] == ["b"]


@pytest.mark.parametrize(
    ("uri", "away"), [("http://127.0.0.1:9", True), ("http://host:port", False), ("nonsense://x", False)]
)
def test_an_address_without_a_server_is_away_and_one_that_cannot_be_is_wrong(
    uri: str, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="does not answer") as caught:
        open_sink(uri, "s")
    assert caught.value.away is away


def test_the_browse_command_binds_to_this_machine() -> None:
    assert "--host 127.0.0.1" in browse_hint("sqlite:///x.db", "s")
    assert browse_hint("http://server:5000", "s").startswith("http://server:5000")


def test_a_run_that_a_retried_request_made_twice_is_there_once(uri: str) -> None:
    sink = open_sink(uri, "s")
    sink.write(record(["a"]))
    client = MlflowClient(uri)
    client.create_run(sink.experiment, tags={"level": "run", "key": "a"})
    client.create_run(sink.experiment, tags={"level": "cell", "key": "cell/digits mlp triplet all"})
    open_sink(uri, "s").write(record(["a"]))
    assert [run.info.status for run in runs_of(uri)] == ["FINISHED"]
    assert [run.info.status for run in runs_of(uri, "cell")] == ["FINISHED"]


def test_whatever_a_store_raises_is_reported(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = open_sink(uri, "s")
    monkeypatch.setattr(sink.client, "log_batch", lambda *_, **__: 1 / 0)
    recorder = Recorder(tmp_path / "records", opened(sink), lambda: sink)
    recorder.add(record(["a"]))
    with pytest.raises(TrackingError, match="division"):
        recorder.close()


def _fail(*_: object) -> None:
    raise OSError("away")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:secret@host/mlflow", "postgresql://me:***@host/mlflow"),  # pragma: allowlist secret
        ("http://me:se:cr/et@host:5000 is away", "http://me:***@host:5000 is away"),
        ("http://host:5000 and me@host", "http://host:5000 and me@host"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
    ],
)
def test_passwords_are_never_shown(text: str, shown: str) -> None:
    assert without_passwords(text) == shown
    assert "secret" not in browse_hint("postgresql://me:secret@host/mlflow", "s")  # pragma: allowlist secret
    with pytest.raises(TrackingError) as failed:
        open_sink("nonsense://me:secret@host", "s")  # pragma: allowlist secret
    assert "secret" not in str(failed.value)


def test_a_database_whose_making_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    code = f"from study.tracking import open_sink; open_sink('sqlite:///{database}', 's')"
    process = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: list(tmp_path.glob(".mlflow.db*")) or process.poll() is not None)
    process.kill()
    process.wait()
    assert not database.exists()
    open_sink(f"sqlite:///{database}", "s").write(record(["a"]))
    assert len(runs_of(f"sqlite:///{database}")) == 1
