"""Writes a pack's runs into MLflow's database at once, in one transaction.

MLflow's interface takes 30 ms or more of the driver's time for the smallest run, where this takes about one; for a run
of 400 points it takes 116 ms in PostgreSQL, where this takes 25. The tables are MLflow's own, and may change. So each
new row copies a run that MLflow itself has written, the example. If a row does not fit into the tables, the runs are
left to MLflow's interface.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, and_, column, insert, select, table, text

from study.recording.database.connection import in_one_transaction

NAME_TAG = "mlflow.runName"  # MLflow sets it beside the name
_EXAMPLE = text("SELECT * FROM runs WHERE run_uuid = :example")
_COLUMNS = ("run_uuid", "name", "status", "lifecycle_stage", "experiment_id", "start_time", "end_time")
RUNS = table("runs", *map(column, _COLUMNS))  # as far as it is read or changed
_TAGS = table("tags", *map(column, ("run_uuid", "key", "value")))
Point = tuple[str, int, float]
"""Metric, epoch and value."""


@dataclass(frozen=True)
class TrackedRun:
    """A run as MLflow keeps it.

    Attributes:
        key: The run's key in the study.
        name: The name that the interface shows.
        started: When it started, in milliseconds since 1970. All its points bear this time: so a point that was shown
            while it trained and is written again from the record is the same point.
        finished: When it ended; None while it trains.
        tags: All its tags except the name.
        params: Its parameters as text.
        points: Metric, epoch and value of each point. Values are finite, and no point is there twice.
    """

    key: str
    name: str
    started: int
    finished: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Sequence[Point]


@dataclass(frozen=True)
class HeldRun:
    """A run that MLflow holds, as far as it has to be known.

    Attributes:
        run_id: Its id.
        is_finished: Whether it has ended.
        tags: Those of its tags that were asked for, or all.
    """

    run_id: str
    is_finished: bool
    tags: Mapping[str, str]


def insert_runs(database: Engine, example: str, runs: Sequence[TrackedRun]) -> list[str] | None:
    """Inserts runs into the experiment of another run, all of them or none.

    Args:
        database: MLflow's database.
        example: The id of a run that MLflow has written.
        runs: The runs to insert.

    Returns:
        Their new ids, or None if they could not be inserted: then the database has not changed.

    Raises:
        ConnectionError: If the connection broke. Nobody knows then whether they were inserted.
    """

    def inserted(connection: Connection) -> list[str] | None:
        found = connection.execute(_EXAMPLE, {"example": example}).mappings().first()
        if found is None or found["lifecycle_stage"] != "active":
            return None
        run_ids = new_run_ids(len(runs))
        by_id = dict(zip(run_ids, runs, strict=True))
        insert_rows(connection, {"runs": [_run_row(dict(found), run_id, run) for run_id, run in by_id.items()]})
        insert_rows(connection, run_rows(by_id))
        return run_ids

    return in_one_transaction(database, inserted)


def held_runs(database: Engine, experiment: str, tags: Collection[str]) -> list[HeldRun] | None:
    """The runs of an experiment that are not deleted, the latest first; None if its tables are not as expected.

    MLflow's interface reads all metrics and parameters of a run with it, which takes half a minute for 10,000 runs.

    Args:
        database: MLflow's database.
        experiment: The experiment's id.
        tags: Names of the tags to read.

    Raises:
        ConnectionError: If the connection broke.
    """
    below = and_(_TAGS.c.run_uuid == RUNS.c.run_uuid, _TAGS.c.key.in_(tags))
    wanted = (
        select(RUNS.c.run_uuid, RUNS.c.status, _TAGS.c.key, _TAGS.c.value)
        .select_from(RUNS.outerjoin(_TAGS, below))
        .where(RUNS.c.experiment_id == int(experiment), RUNS.c.lifecycle_stage == "active")
        .order_by(RUNS.c.start_time.desc(), RUNS.c.run_uuid)
    )

    def held(connection: Connection) -> list[HeldRun]:
        found: dict[str, tuple[bool, dict[str, str]]] = {}
        for run_id, status, name, value in connection.execute(wanted):
            own = found.setdefault(run_id, (status == "FINISHED", {}))[1]
            if name is not None:
                own[name] = value
        return [HeldRun(run_id, *about) for run_id, about in found.items()]

    return in_one_transaction(database, held)


def new_run_ids(count: int) -> list[str]:
    """Ids of 32 hexadecimal digits in ascending order: the time, then random digits.

    MLflow's indexes hold the id. Rows with ascending ids are appended to them, which takes half the time of inserting
    them in random order.
    """
    milliseconds = f"{time.time_ns() // 1_000_000:012x}"
    return sorted(milliseconds + secrets.token_hex(10) for _ in range(count))


def insert_rows(connection: Connection, rows: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    """Inserts rows by table, in the order given."""
    for name, own in rows.items():
        if own:
            connection.execute(insert(table(name, *map(column, own[0]))), own)


def run_rows(runs: Mapping[str, TrackedRun]) -> dict[str, list[dict[str, object]]]:
    """The rows of each table below that of runs, for runs by their ids."""
    return {
        "tags": [row for run_id, run in runs.items() for row in _pairs(run_id, {**run.tags, NAME_TAG: run.name})],
        "params": [row for run_id, run in runs.items() for row in _pairs(run_id, run.params)],
        **point_rows(runs),
    }


def point_rows(runs: Mapping[str, TrackedRun]) -> dict[str, list[dict[str, object]]]:
    """The rows of each table of metrics, for runs by their ids."""
    return {
        "metrics": [row for run_id, run in runs.items() for row in _points(run_id, run.points, run.started)],
        "latest_metrics": [
            row for run_id, run in runs.items() for row in _points(run_id, _latest(run.points), run.started)
        ],
    }


def _run_row(example: Mapping[str, object], run_id: str, run: TrackedRun) -> dict[str, object]:
    artifacts = str(example["artifact_uri"]).replace(str(example["run_uuid"]), run_id)
    state = {"status": "RUNNING" if run.finished is None else "FINISHED"}
    times = {"start_time": run.started, "end_time": run.finished}
    return {**example, "run_uuid": run_id, "name": run.name, "artifact_uri": artifacts, **state, **times}


def _pairs(run_id: str, values: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"key": key, "value": value, "run_uuid": run_id} for key, value in values.items()]


def _points(run_id: str, points: Sequence[Point], stamp: int) -> list[dict[str, object]]:
    each = {"timestamp": stamp, "is_nan": False, "run_uuid": run_id}
    return [{"key": metric, "step": epoch, "value": value, **each} for metric, epoch, value in points]


def _latest(points: Sequence[Point]) -> list[Point]:
    latest: dict[str, Point] = {}
    for point in points:
        if point[0] not in latest or latest[point[0]][1] <= point[1]:
            latest[point[0]] = point
    return list(latest.values())
