"""Rows of runs in training, in MLflow's database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import Connection, Engine, bindparam, column, delete, table, update

from study.recording.database.connection import in_one_transaction
from study.recording.database.runs import RUNS, Point, TrackedRun, insert_rows, point_rows, run_rows

_END = update(RUNS).where(
    RUNS.c.run_uuid == bindparam("id"), RUNS.c.status == "RUNNING", RUNS.c.lifecycle_stage == "active"
)
_LATEST = table("latest_metrics", column("run_uuid"), column("key"))
_FORGET_LATEST = delete(_LATEST).where(_LATEST.c.run_uuid == bindparam("id"), _LATEST.c.key == bindparam("metric"))


def add_points(database: Engine, runs: Mapping[str, TrackedRun]) -> bool:
    """Adds points to runs that train, by their ids: to all of them or to none.

    Args:
        database: MLflow's database.
        runs: The runs, with the new points alone. Of a metric that a run has already, they are of later epochs.

    Returns:
        Whether they were added; else the database has not changed.

    Raises:
        ConnectionError: If the connection broke. Nobody knows then whether they were added.
    """

    def added(connection: Connection) -> bool:
        rows = point_rows(runs)
        replaced = [{"id": row["run_uuid"], "metric": row["key"]} for row in rows["latest_metrics"]]
        if replaced:
            connection.execute(_FORGET_LATEST, replaced)
        insert_rows(connection, rows)
        return True

    return in_one_transaction(database, added) is not None


def complete_runs(database: Engine, runs: Mapping[str, TrackedRun], known: Mapping[str, Collection[Point]]) -> bool:
    """Ends runs that trained, by their ids, as if they had been inserted now: all of them or none.

    Args:
        database: MLflow's database.
        runs: The runs.
        known: Those of their points that they have already. All points are replaced of a run without known ones.

    Returns:
        Whether they were completed; else the database has not changed.

    Raises:
        ConnectionError: If the connection broke. Nobody knows then whether they were completed.
    """

    def completed(connection: Connection) -> bool | None:
        for run_id, run in runs.items():
            ends = {"name": run.name, "status": "FINISHED", "start_time": run.started, "end_time": run.finished}
            if connection.execute(_END.values(ends), {"id": run_id}).rowcount != 1:  # somebody has deleted it
                return None
        outdated = {"metrics": [run_id for run_id in runs if not known[run_id]]}
        outdated |= {name: list(runs) for name in ("latest_metrics", "params", "tags")}
        for name, run_ids in outdated.items():
            rows = table(name, column("run_uuid"))
            connection.execute(delete(rows).where(rows.c.run_uuid.in_(run_ids)))
        new = {
            run_id: replace(run, points=[point for point in run.points if point not in known[run_id]])
            for run_id, run in runs.items()
        }
        insert_rows(connection, {**run_rows(runs), "metrics": point_rows(new)["metrics"]})
        return True

    return in_one_transaction(database, completed) is not None
