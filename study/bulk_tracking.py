"""Writing a pack's runs into MLflow's SQLite file at once.

Through MLflow's interface a run costs 30 ms or more, all of it the driver's time; here about one. MLflow's tables are
not ours, so nothing is assumed of them that a run which MLflow itself has written does not show: that one is the
example, and where the others do not fit in beside it they are left to the interface.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

NAME_TAG = "mlflow.runName"  # MLflow's own, which it sets beside the name
_LOCKED_SECONDS = 3.0  # that another program may keep the file to itself; Ctrl-C waits as long


@dataclass(frozen=True)
class FinishedRun:
    """A run as MLflow keeps it.

    Attributes:
        run_id: 32 hexadecimal digits, new.
        name: What the interface shows.
        started: Milliseconds since 1970.
        finished: The same.
        tags: All of them, but for the name.
        params: As text.
        points: Metric, epoch and value; finite, and no two alike.
    """

    run_id: str
    name: str
    started: int
    finished: int
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Sequence[tuple[str, int, float]]


def new_run_ids(count: int) -> list[str]:
    """Ids of 32 hexadecimal digits in ascending order, the time first and chance behind.

    MLflow's indexes begin with the id or end with it: rows in its order are appended to them, at half the price of
    scattering them.
    """
    milliseconds = f"{time.time_ns() // 1_000_000:012x}"
    return sorted(milliseconds + secrets.token_hex(10) for _ in range(count))


def database_file(uri: str) -> Path | None:
    """The file behind an address of MLflow's; None if it is no plain SQLite file."""
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        return None
    plain = url.drivername == "sqlite" and url.database not in (None, "", ":memory:") and not url.query
    return Path(str(url.database)) if plain else None


def insert_runs(database: Path, example: str, runs: Sequence[FinishedRun]) -> bool:
    """Inserts runs beside a finished one of the same experiment, all of them or none.

    Args:
        database: MLflow's file.
        example: The id of a run that MLflow has written.
        runs: To be inserted.

    Returns:
        Whether they are there; if not, nothing has changed.
    """
    existing = f"file:{quote(str(database.absolute()))}?mode=rw"
    try:
        with closing(sqlite3.connect(existing, uri=True, timeout=_LOCKED_SECONDS)) as connection, connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute("SELECT * FROM runs WHERE run_uuid = ?", (example,)).fetchone()
            if found is None or (found["status"], found["lifecycle_stage"]) != ("FINISHED", "active"):
                return False
            _insert(connection, "runs", [_row(dict(found), run) for run in runs])
            _insert(connection, "tags", [row for run in runs for row in _pairs(run, {**run.tags, NAME_TAG: run.name})])
            _insert(connection, "params", [row for run in runs for row in _pairs(run, run.params)])
            _insert(connection, "metrics", [row for run in runs for row in _points(run, run.points)])
            _insert(connection, "latest_metrics", [row for run in runs for row in _points(run, _latest(run.points))])
            return True
    except sqlite3.Error:  # tables of another shape; or a disk that is full, which the interface will say too
        return False


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        names = list(rows[0])
        columns = ", ".join(f'"{name}"' for name in names)
        places = ", ".join(f":{name}" for name in names)
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)


def _row(example: dict[str, object], run: FinishedRun) -> dict[str, object]:
    artifacts = str(example["artifact_uri"]).replace(str(example["run_uuid"]), run.run_id)
    times = {"start_time": run.started, "end_time": run.finished}
    return {**example, "run_uuid": run.run_id, "name": run.name, "artifact_uri": artifacts, **times}


def _pairs(run: FinishedRun, values: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"key": key, "value": value, "run_uuid": run.run_id} for key, value in values.items()]


def _points(run: FinishedRun, points: Sequence[tuple[str, int, float]]) -> list[dict[str, object]]:
    each = {"timestamp": run.finished, "is_nan": False, "run_uuid": run.run_id}
    return [{"key": metric, "step": epoch, "value": value, **each} for metric, epoch, value in points]


def _latest(points: Sequence[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
    latest: dict[str, tuple[str, int, float]] = {}
    for point in points:
        if point[0] not in latest or latest[point[0]][1] <= point[1]:
            latest[point[0]] = point
    return list(latest.values())
