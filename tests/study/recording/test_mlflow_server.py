"""What is written through a server of MLflow's: its own application, in a thread of the test."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import mlflow.server
import pandas as pd
import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from werkzeug.serving import make_server

from analysis.store.mlflow_client import open_client
from study.recording.mlflow_connection import open_sink
from study.recording.mlflow_sink import TrackingError
from tests.study.recording.live.news import news, told
from tests.study.recording.records import record, runs_of
from tests.study.recording.tables import TABLES, content

pytestmark = pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi")  # MLflow's own

KEYS = [f"run {number}" for number in range(12)]


class Server:
    """MLflow's application over a file, and a way to look at the requests and to spoil them.

    Attributes:
        uri: Its address.
        database: The address of what stands behind it.
        requests: How often each path was asked for.
        most: The most requests that were answered at once.
        spoil: Raises for those requests that the server breaks off, given their path and how often it was asked for.
    """

    def __init__(self, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = f"sqlite:///{database}"
        self.requests: Counter[str] = Counter()
        self.most = 0
        self.spoil: Callable[[str, int], None] = lambda *_: None
        self._now = 0
        self._counting = threading.Lock()
        store = SqlAlchemyStore(self.database, str(database.parent / "artifacts"))
        monkeypatch.setattr("mlflow.server.handlers._tracking_store", store)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.uri = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"].rpartition("mlflow/")[2]
        with self._counting:
            self.requests[path] += 1
            self._now += 1
            self.most = max(self.most, self._now)
            asked = self.requests[path]
        try:
            self.spoil(path, asked)
            return list(mlflow.server.app(environ, start))
        finally:
            with self._counting:
                self._now -= 1


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, which take seconds to make."""
    database = tmp_path_factory.mktemp("empty") / "mlflow.db"
    open_client(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture
def server(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    running = Server(Path(shutil.copy(empty, tmp_path / "server.db")), monkeypatch)
    yield running
    running.close()


def test_runs_are_written_side_by_side_with_three_requests_each_and_no_word(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = open_sink(server.uri, "s")
    sink.write(record(KEYS))
    server.requests.clear()
    server.most = 0
    sink.write(record([f"another {key}" for key in KEYS]))
    assert server.requests == {"runs/create": 12, "runs/log-batch": 12, "runs/update": 12}
    assert server.most > 2
    assert capsys.readouterr().out == ""


def test_what_a_server_holds_is_to_the_last_column_what_is_written_without_one(
    server: Server, empty: Path, tmp_path: Path
) -> None:
    open_sink(server.uri, "s").write(record(KEYS))
    direct = f"sqlite:///{shutil.copy(empty, tmp_path / 'direct.db')}"
    open_sink(direct, "s").write(record(KEYS))
    through_server, written = content(server.database), content(direct)
    for table in TABLES:
        assert len(written[table])
        pd.testing.assert_frame_equal(through_server[table], written[table], check_exact=True)


def test_runs_that_were_shown_through_a_server_are_to_the_last_column_the_same(
    server: Server, empty: Path, tmp_path: Path
) -> None:
    sink, pack = open_sink(server.uri, "s", mark="here"), told(record(KEYS), [0, 1])
    sink.show(pack)
    server.requests.clear()
    pack.add(news(record(KEYS), [2, 3]).points)
    sink.show(pack)
    assert server.requests == {"runs/log-batch": 12}
    assert {(run.info.status, run.data.metrics["train/loss"]) for run in runs_of(server.database)} == {
        ("RUNNING", 0.25)
    }
    sink.write(record(KEYS))
    direct = f"sqlite:///{shutil.copy(empty, tmp_path / 'direct.db')}"
    open_sink(direct, "s").write(record(KEYS))
    through_server, written = content(server.database), content(direct)
    for table in TABLES:
        pd.testing.assert_frame_equal(through_server[table], written[table], check_exact=True)


@pytest.mark.parametrize("path", ["runs/create", "runs/log-batch"])
def test_what_could_not_be_shown_is_shown_later_and_leaves_nothing_behind(server: Server, path: str) -> None:
    sink, pack = open_sink(server.uri, "s", mark="here"), told(record(KEYS), [0, 1])
    sink.show(told(record(["first"]), [0]))

    def spoil(asked: str, times: int) -> None:
        if asked == path and times % 5 == 0:
            raise OSError("away")

    server.spoil = spoil
    with pytest.raises(TrackingError):
        sink.show(pack)
    server.spoil = lambda *_: None
    sink.show(pack)
    sink.write(record(KEYS))
    sink.write(record(["first"]))
    runs = runs_of(server.database)
    assert sorted(run.data.tags["key"] for run in runs) == sorted([*KEYS, "first"])
    assert {(run.info.status, run.data.metrics["train/loss"]) for run in runs} == {("FINISHED", 0.2)}


@pytest.mark.parametrize("path", ["runs/create", "runs/log-batch", "runs/update"])
def test_runs_that_fail_beside_others_are_completed_and_none_is_there_twice(server: Server, path: str) -> None:
    sink = open_sink(server.uri, "s")
    sink.write(record(["first"]))

    def spoil(asked: str, times: int) -> None:
        if asked == path and times % 5 == 0:
            raise OSError("away")

    server.spoil = spoil
    with pytest.raises(TrackingError):
        sink.write(record(KEYS))
    server.spoil = lambda *_: None
    sink.write(record(KEYS))
    runs = runs_of(server.database)
    assert sorted(run.data.tags["key"] for run in runs) == sorted([*KEYS, "first"])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.metrics["train/loss"] for run in runs} == {0.2}


def test_a_server_that_goes_away_between_requests_is_unreachable_and_loses_nothing(server: Server) -> None:
    sink = open_sink(server.uri, "s")
    sink.write(record(KEYS[:2]))
    server.close()
    with pytest.raises(TrackingError) as away:
        sink.write(record(KEYS))
    assert away.value.unreachable
    open_sink(server.database, "s").write(record(KEYS))
    assert sorted(run.data.tags["key"] for run in runs_of(server.database)) == sorted(KEYS)
