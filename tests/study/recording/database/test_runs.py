"""Runs that are inserted into MLflow's database, SQLite's and PostgreSQL's."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from study.recording.database.connection import database_engine, database_file
from study.recording.database.runs import TrackedRun, held_runs, insert_runs, new_run_ids
from study.recording.mlflow_connection import open_sink
from study.recording.mlflow_sink import TrackingError, TrackingSink
from tests.study.recording.databases import Databases
from tests.study.recording.postgres import Postgres
from tests.study.recording.records import record, runs_of
from tests.study.recording.tables import TABLES, content


@pytest.fixture
def postgres_uri(postgres: Postgres) -> str:
    return postgres.create(uuid4().hex, "mlflow")


def engine_of(uri: str) -> Engine:
    engine = database_engine(uri)
    assert engine is not None
    return engine


def counted(sink: TrackingSink, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs that go through MLflow's interface."""
    names: list[str] = []
    create = sink.client.create_run

    def create_run(experiment: str, *, run_name: str, **others: Any) -> Any:
        names.append(run_name)
        return create(experiment, run_name=run_name, **others)

    monkeypatch.setattr(sink.client, "create_run", create_run)
    return names


def keys_in(uri: str) -> list[str]:
    return sorted(run.data.tags["key"] for run in runs_of(uri))


def test_runs_that_are_inserted_are_to_the_last_column_those_of_mlflows_interface(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted, written = databases.new(), databases.new()
    packs = [record(["a", "b", "c"]), record(["d", "e"], points_each=1)]
    sink = open_sink(inserted, "s")
    through_interface = counted(sink, monkeypatch)
    for pack in packs:
        sink.write(pack)
    assert len(through_interface) == 2, "the study and the example"
    monkeypatch.setattr("study.recording.mlflow_sink.insert_runs", lambda *_: None)
    sink = open_sink(written, "s")
    for pack in packs:
        sink.write(pack)
    first, second = content(inserted), content(written)
    for table in TABLES:
        assert len(first[table])
        pd.testing.assert_frame_equal(first[table], second[table], check_exact=True)
    points = pd.concat([pack.points for pack in packs]).sort_values(["key", "epoch"])
    assert first["metrics"]["value"].tolist() == points["value"].tolist()


def test_runs_that_are_held_are_those_of_mlflows_interface_without_what_was_deleted(databases: Databases) -> None:
    uri = databases.new()
    for study in ("s", "another"):
        open_sink(uri, study).write(record(["a", "b", "c"]))
    sink = open_sink(uri, "s")
    runs = sink.client.search_runs([sink.experiment])
    sink.client.set_tag(runs[0].info.run_id, "level", "odd")
    sink.client.delete_run(runs[1].info.run_id)
    sink.client.create_run(sink.experiment)
    held = held_runs(engine_of(uri), sink.experiment, ["key", "level"])
    assert held is not None
    found = sink.client.search_runs([sink.experiment])
    assert [each.run_id for each in held] == [run.info.run_id for run in found]
    assert sorted(each.is_finished for each in held) == [False, True, True, True]
    for each, run in zip(held, found, strict=True):
        assert each.tags == {name: run.data.tags[name] for name in ("key", "level") if name in run.data.tags}


def test_where_the_example_is_gone_mlflows_interface_writes_and_gives_another(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = databases.new()
    sink = open_sink(uri, "s")
    sink.write(record(["a"]))
    (example,) = runs_of(uri)
    MlflowClient(uri).delete_run(example.info.run_id)
    sink.write(record(["b", "c"]))
    through_interface = counted(sink, monkeypatch)
    sink.write(record(["d", "e"]))
    assert not through_interface
    assert keys_in(uri) == ["b", "c", "d", "e"]


def test_an_insertion_that_fails_half_way_changes_nothing(databases: Databases) -> None:
    uri = databases.new()
    sink = open_sink(uri, "s")
    sink.write(record(["a"]))
    (example,) = runs_of(uri)
    before = content(uri)
    twice = TrackedRun("b", "new", 1, 2, {"key": "b"}, {}, [("loss", 1, 0.5), ("loss", 1, 0.5)])
    assert insert_runs(engine_of(uri), example.info.run_id, [twice]) is None
    after = content(uri)
    for table in TABLES:
        pd.testing.assert_frame_equal(before[table], after[table])


def test_studies_that_are_written_at_once_into_one_database_do_not_disturb_each_other(databases: Databases) -> None:
    uri = databases.new()

    def write(study: str) -> None:
        sink = open_sink(uri, study)
        for number in range(20):
            sink.write(record([f"{number} a", f"{number} b"]))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ["another", "s"]))
    assert keys_in(uri) == sorted(f"{number} {letter}" for number in range(20) for letter in "ab")


def test_a_connection_that_breaks_half_way_leaves_nothing_and_the_pack_is_written_again(
    postgres: Postgres, postgres_uri: str
) -> None:
    sink = open_sink(postgres_uri, "s")
    sink.write(record(["a"]))
    assert sink.database is not None

    @event.listens_for(sink.database, "before_cursor_execute")
    def cut(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO metrics"):
            postgres.disconnect(str(make_url(postgres_uri).database))

    with pytest.raises(TrackingError, match="the connection broke") as broken:
        sink.write(record(["b", "c"]))
    assert broken.value.unreachable
    assert keys_in(postgres_uri) == ["a"]
    open_sink(postgres_uri, "s").write(record(["b", "c"]))
    assert keys_in(postgres_uri) == ["a", "b", "c"]


def test_runs_whose_commit_was_not_answered_are_not_written_twice(postgres_uri: str) -> None:
    sink = open_sink(postgres_uri, "s")
    sink.write(record(["a"]))
    assert sink.database is not None

    @event.listens_for(sink.database, "commit")
    def commit_and_cut(connection: Any) -> None:
        connection.connection.dbapi_connection.commit()
        raise OperationalError("COMMIT", {}, Exception("cut"), connection_invalidated=True)

    with pytest.raises(TrackingError, match="cut") as broken:
        sink.write(record(["b", "c"]))
    assert broken.value.unreachable
    open_sink(postgres_uri, "s").write(record(["b", "c"]))
    assert keys_in(postgres_uri) == ["a", "b", "c"]


def test_a_database_that_goes_away_is_unreachable_at_once_and_goes_on_when_it_is_back(
    postgres: Postgres, postgres_uri: str
) -> None:
    sink = open_sink(postgres_uri, "s")
    sink.write(record(["a"]))
    postgres.stop()
    try:
        for attempt in (lambda: sink.write(record(["b", "c"])), lambda: open_sink(postgres_uri, "s")):
            with pytest.raises(TrackingError, match="refused") as away:
                attempt()
            assert away.value.unreachable
    finally:
        postgres.start()
    open_sink(postgres_uri, "s").write(record(["b", "c"]))
    assert keys_in(postgres_uri) == ["a", "b", "c"]


def test_a_database_that_is_not_there_is_wrong_and_not_away(postgres: Postgres) -> None:
    with pytest.raises(TrackingError, match=r'FATAL: database "mlfolw" does not exist$') as wrong:
        open_sink(postgres.address("mlfolw"), "s")
    assert not wrong.value.unreachable


@pytest.mark.parametrize(
    ("uri", "module", "package"),
    [
        ("postgresql+psycopg://me@host/mlflow", "psycopg", "'psycopg[binary]'"),
        ("postgresql+psycopg2://me@host/mlflow", "psycopg2", "psycopg2-binary"),
        ("mysql+pymysql://me@host/mlflow", "pymysql", "pymysql"),
    ],
)
def test_a_missing_driver_is_one_line_with_the_package_to_install(
    uri: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TrackingError) as missing:
        open_sink(uri, "s")
    assert str(missing.value) == f"MLflow at {uri} does not answer: {module} is not installed: pip install {package}"
    assert not missing.value.unreachable


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:////data/mlflow.db", Path("/data/mlflow.db")),
        ("sqlite:///results/mlflow.db", Path("results/mlflow.db")),
        ("sqlite://", None),
        ("sqlite:///mlflow.db?timeout=5", None),
        ("postgresql://host/mlflow", None),
        ("http://127.0.0.1:5000", None),
        ("results", None),
    ],
)
def test_only_a_plain_sqlite_file_is_a_file(uri: str, file: Path | None) -> None:
    assert database_file(uri) == file


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///mlflow.db?timeout=5", "http://127.0.0.1:5000", "results"])
def test_what_is_no_database_or_no_plain_file_is_not_inserted_into(uri: str) -> None:
    assert database_engine(uri) is None


def test_an_sqlite_file_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    assert insert_runs(engine_of(f"sqlite:///{tmp_path / 'gone.db'}"), "x", []) is None
    assert not list(tmp_path.iterdir())


def test_run_ids_are_like_mlflows_own_all_different_and_in_the_order_of_time() -> None:
    ids = [*new_run_ids(500), *new_run_ids(500)]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    assert len(set(ids)) == 1000
    assert ids[:500] == sorted(ids[:500])
    assert ids[0][:12] <= ids[-1][:12]
