"""Rows of runs in training, in MLflow's database."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Engine, bindparam, column, delete, table, update

from study.recording.mlflow_database import TrackedRun, in_one_transaction, insert_rows, point_rows, run_rows

_OF_A_RUN = ("latest_metrics", "metrics", "params", "tags")
_RUNS = table("runs", *map(column, ("run_uuid", "name", "status", "lifecycle_stage", "start_time", "end_time")))
_END = update(_RUNS).where(
    _RUNS.c.run_uuid == bindparam("id"), _RUNS.c.status == "RUNNING", _RUNS.c.lifecycle_stage == "active"
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


def complete_runs(database: Engine, runs: Mapping[str, TrackedRun]) -> bool:
    """Ends runs that trained, by their ids, as if they had been inserted now: all of them or none.

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
        for name in _OF_A_RUN:
            rows = table(name, column("run_uuid"))
            connection.execute(delete(rows).where(rows.c.run_uuid.in_(list(runs))))
        insert_rows(connection, run_rows(runs))
        return True

    return in_one_transaction(database, completed) is not None
