from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from study.bulk_tracking import FinishedRun, database_file, insert_runs, new_run_ids
from study.tracking import TrackingSink, open_sink
from tests.study.test_tracking import record, runs_of

TABLES = {
    "runs": "name",
    "tags": "run_uuid, key",
    "params": "run_uuid, key",
    "metrics": "run_uuid, key, step",
    "latest_metrics": "run_uuid, key",
}


def content(database: Path) -> dict[str, pd.DataFrame]:
    """The tables, with the runs' names in place of their ids."""
    tables = {}
    with closing(sqlite3.connect(database)) as connection:
        names = dict(connection.execute("SELECT run_uuid, name FROM runs"))
        for table, order in TABLES.items():
            frame = pd.read_sql(f"SELECT * FROM {table}", connection).replace(names)
            if "artifact_uri" in frame:
                uris = frame["artifact_uri"].str.rsplit("/", n=2, expand=True)
                frame["artifact_uri"] = uris[1].map(names) + "/" + uris[2]
            frame = frame.sort_values(order.split(", "), ignore_index=True)
            values = frame.get("value")
            tables[table] = frame if values is None else frame.assign(value=values.replace(names))
    return tables


def counted(sink: TrackingSink, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs that go through MLflow's interface."""
    names: list[str] = []
    create = sink.client.create_run

    def create_run(experiment: str, *, run_name: str, **others: Any) -> Any:
        names.append(run_name)
        return create(experiment, run_name=run_name, **others)

    monkeypatch.setattr(sink.client, "create_run", create_run)
    return names


def test_runs_that_are_inserted_are_to_the_last_column_those_of_mlflows_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted, written = tmp_path / "inserted.db", tmp_path / "written.db"
    packs = [record(["a", "b", "c"]), record(["d", "e"], points_each=1)]
    sink = open_sink(f"sqlite:///{inserted}", "s")
    through_interface = counted(sink, monkeypatch)
    for pack in packs:
        sink.write(pack)
    assert len(through_interface) == 3, "the study, the cell and the example"
    monkeypatch.setattr("study.tracking.insert_runs", lambda *_: False)
    sink = open_sink(f"sqlite:///{written}", "s")
    for pack in packs:
        sink.write(pack)
    first, second = content(inserted), content(written)
    for table in TABLES:
        assert len(first[table])
        pd.testing.assert_frame_equal(first[table], second[table])


def test_where_the_example_is_gone_mlflows_interface_writes(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    sink = open_sink(uri, "s")
    sink.write(record(["a"]))
    (example,) = runs_of(uri)
    MlflowClient(uri).delete_run(example.info.run_id)
    sink.write(record(["b", "c"]))
    assert sorted(run.data.tags["key"] for run in runs_of(uri)) == ["b", "c"]


def test_an_insertion_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    sink = open_sink(uri, "s")
    sink.write(record(["a"]))
    (example,) = runs_of(uri)
    before = content(tmp_path / "mlflow.db")
    twice = FinishedRun("0" * 32, "new", 1, 2, {"key": "b"}, {}, [("loss", 1, 0.5), ("loss", 1, 0.5)])
    assert not insert_runs(tmp_path / "mlflow.db", example.info.run_id, [twice])
    after = content(tmp_path / "mlflow.db")
    for table in TABLES:
        pd.testing.assert_frame_equal(before[table], after[table])


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
def test_only_a_plain_sqlite_file_is_inserted_into(uri: str, file: Path | None) -> None:
    assert database_file(uri) == file


def test_run_ids_are_like_mlflows_own_all_different_and_in_the_order_of_time() -> None:
    ids = [*new_run_ids(500), *new_run_ids(500)]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    assert len(set(ids)) == 1000
    assert ids[:500] == sorted(ids[:500])
    assert ids[0][:12] <= ids[-1][:12]
