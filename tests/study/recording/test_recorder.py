"""Records are kept whatever happens to MLflow."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from analysis.store.records import PackRecord
from study.recording.mlflow_connection import open_sink
from study.recording.mlflow_sink import TrackingError, TrackingSink
from study.recording.recorder import Recorder
from study.storage.lock import LockedError
from tests.study.processes import wait_for
from tests.study.recording.records import record, runs_of


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def opened(sink: TrackingSink) -> Future[TrackingSink]:
    opening: Future[TrackingSink] = Future()
    opening.set_result(sink)
    return opening


def unreachable() -> Future[TrackingSink]:
    opening: Future[TrackingSink] = Future()
    opening.set_exception(TrackingError("the server is away", unreachable=True))
    return opening


def test_a_tracking_server_that_fails_loses_nothing(uri: str, tmp_path: Path) -> None:
    sink = open_sink(uri, "s")
    real_write, fail = sink.write, True

    class Flaky(TrackingSink):
        def write(self, item: PackRecord) -> None:
            if fail:
                raise TrackingError("the server is away", unreachable=True)
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
        raise TrackingError("the server is away", unreachable=True)

    recorder = Recorder(tmp_path / "records", unreachable(), connect)
    for name in ("a", "b", "c"):
        recorder.add(record([name]))
    with pytest.raises(TrackingError, match="away"):
        recorder.close()
    assert len(asked) == 1, "a server that is away is not asked for every record"
    assert len(list((tmp_path / "records").glob("*.parquet"))) == 3


def test_a_tracking_server_that_comes_late_gets_everything(uri: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "records", unreachable(), lambda: open_sink(uri, "s"), pause=0.0)
    recorder.add(record(["a"]))
    recorder.close()
    assert [run.data.tags["key"] for run in runs_of(uri)] == ["a"]


def test_a_session_that_was_taken_over_writes_nothing_more(uri: str, tmp_path: Path) -> None:
    taken_over = False

    def raise_if_taken_over() -> None:
        if taken_over:
            raise LockedError("another host")

    sink = open_sink(uri, "s")
    recorder = Recorder(tmp_path / "records", unreachable(), lambda: sink, 0.0, raise_if_taken_over)
    recorder.add_recorded(record(["a"]))
    wait_for(lambda: len(runs_of(uri)) == 1)
    taken_over = True
    recorder.add_recorded(record(["b"]))
    with pytest.raises(LockedError):
        recorder.add(record(["c"]))
    with pytest.raises(LockedError):
        recorder.close()
    assert [run.data.tags["key"] for run in runs_of(uri)] == ["a"]
    assert not (tmp_path / "records").exists()


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


def test_whatever_a_store_raises_is_reported(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = open_sink(uri, "s")
    monkeypatch.setattr(sink.client, "log_batch", lambda *_, **__: 1 / 0)
    recorder = Recorder(tmp_path / "records", opened(sink), lambda: sink)
    recorder.add(record(["a"]))
    with pytest.raises(TrackingError, match="division"):
        recorder.close()


def test_an_error_of_the_session_ends_the_filling_of_mlflow(uri: str, tmp_path: Path) -> None:
    sink, failing = open_sink(uri, "s"), RuntimeError("of the session")
    recorder = Recorder(tmp_path, opened(sink), lambda: sink)
    recorder.stop_on_error(None, None, None)
    assert recorder._thread.is_alive()
    recorder.stop_on_error(RuntimeError, failing, None)
    assert not recorder._thread.is_alive()
    recorder.add(record(["late"]))
    assert runs_of(uri) == []
