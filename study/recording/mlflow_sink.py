"""Fills MLflow from records. Runs are nested: study > cell (dataset, encoder, loss, miner) > run.

MLflow is a copy of the records, which can be made again at any time. Each run is there once, found by its key. A run
that was written only partly is completed. Its points carry the time of the record, so that a point written twice is the
same point.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine
from upath import UPath

from analysis.parameters import Value
from analysis.store.mlflow_client import reason
from analysis.store.record_schema import RunDescription
from analysis.store.records import PackRecord
from study.recording.mlflow_database import FinishedRun, insert_runs
from study.recording.report_artifacts import RefusedAddressError, log_report_files
from study.recording.side_by_side import side_by_side

REQUEST_ITEMS = 1000  # the most metrics, parameters and tags in one request to MLflow
PARENT_TAG = "mlflow.parentRunId"  # MLflow's own name, which its interface reads


class TrackingError(RuntimeError):
    """MLflow cannot be reached or written.

    Attributes:
        unreachable: Whether MLflow does not answer, and may answer later. False if it refuses.
    """

    def __init__(self, text: str, unreachable: bool = False) -> None:
        super().__init__(text)
        self.unreachable = unreachable


@dataclass
class TrackingSink:
    """One study's experiment in MLflow, open for writing.

    Attributes:
        client: MLflow's client.
        experiment: The experiment's id.
        study: The study's name.
        database: MLflow's database, if its address is one. New runs are inserted into it.
        threads: How many runs are written at once through MLflow's interface.
        uri: MLflow's address.
        within: Where the files of the runs must lie, if MLflow keeps them on this machine's disks and lies itself where
            others may write; None if MLflow says where.
    """

    client: Any
    experiment: str
    study: str
    database: Engine | None = None
    threads: int = 1
    uri: str = ""
    within: Path | None = None
    _parents: dict[tuple[str, ...], str] = field(default_factory=dict)
    _finished: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    _unfinished: dict[str, str] = field(default_factory=dict)
    _example: str | None = None

    def write(self, record: PackRecord) -> None:
        """Writes the runs of a record that MLflow does not hold, or holds as other code or data gave them.

        Raises:
            TrackingError: If MLflow fails; the same record can be written again.
        """
        missing = [run for run in record.runs if self._origin_of(run.key) != _origin(run.tags)]
        if not missing:
            return
        try:
            points = {str(key): group for key, group in record.points.groupby("key", observed=True)}
            runs = [self._to_write(run, points.get(run.key), record) for run in missing]
            if self.database is not None and self._example is None:
                self._write_run(runs.pop(0))
            side_by_side(self._write_run, self._insert(runs), self.threads)
        except Exception as error:  # MLflow's stores raise errors of many kinds
            raise TrackingError(reason(error), is_connection_error(error)) from error

    def remove(self, keys: Collection[str]) -> None:
        """Deletes runs that another run has taken the place of, as far as MLflow holds them.

        Raises:
            TrackingError: If MLflow fails.
        """
        try:
            for key in self._finished.keys() & set(keys):
                self.client.delete_run(self._finished.pop(key)[0])
        except Exception as error:  # MLflow's stores raise errors of many kinds
            raise TrackingError(reason(error), is_connection_error(error)) from error

    def log_report(self, folder: UPath) -> None:
        """Logs a report's files to the study's own run. Files of the same names are replaced.

        Raises:
            RefusedAddressError: If MLflow names a place for them that it should not name.
            TrackingError: If MLflow does not take them.
        """
        run_id = self._parents.get(("study",))
        if run_id is None:
            return
        try:
            log_report_files(self.client, run_id, folder, self.uri, self.within)
        except RefusedAddressError:
            raise
        except Exception as error:  # MLflow's stores raise errors of many kinds
            raise TrackingError(reason(error)) from error

    def add_existing(self, run: Any) -> None:
        """Notes a run that MLflow holds. A duplicate is deleted, and so is a parent that was written only partly."""
        level, key = run.data.tags.get("level"), run.data.tags.get("key", "")
        run_id, finished = run.info.run_id, run.info.status == "FINISHED"
        path = tuple(key.split("/"))
        if level in ("study", "cell"):
            if finished and path not in self._parents:
                self._parents[path] = run_id
            else:
                self.client.delete_run(run_id)
        elif level == "run":
            if key in self._finished or key in self._unfinished:
                self.client.delete_run(run_id)
            elif finished:
                self._finished[key] = (run_id, _origin(run.data.tags))
            else:
                self._unfinished[key] = run_id

    def _origin_of(self, key: str) -> tuple[str, ...] | None:
        return self._finished[key][1] if key in self._finished else None

    def _insert(self, runs: list[FinishedRun]) -> list[FinishedRun]:
        """Inserts the runs that MLflow does not know, if it has a database that allows it; returns those left."""
        new = {run.key: run for run in runs if run.key not in self._finished and run.key not in self._unfinished}
        if self.database is None or self._example is None or not new:
            return runs
        run_ids = insert_runs(self.database, self._example, list(new.values()))
        if run_ids is None:
            return runs
        for run_id, run in zip(run_ids, new.values(), strict=True):
            self._finished[run.key] = (run_id, _origin(run.tags))
        return [run for run in runs if run.key not in new]

    def _write_run(self, run: FinishedRun) -> None:
        from mlflow.entities import Metric, RunTag

        unfinished = self._unfinished.get(run.key)
        run_id = self._unfinished[run.key] = unfinished or self._new_run(run.name, run.tags, run.started)
        # A new run was created with its tags, which is cheaper. An unfinished one may have those of another version.
        tags = [RunTag(name, value) for name, value in run.tags.items()] if unfinished else []
        metrics = [Metric(metric, value, run.finished, epoch) for metric, epoch, value in run.points]
        first = REQUEST_ITEMS - len(tags) - len(run.params)
        self.client.log_batch(run_id, metrics[:first], _params(run.params), tags)
        for start in range(first, len(metrics), REQUEST_ITEMS):
            self.client.log_batch(run_id, metrics[start : start + REQUEST_ITEMS])
        self.client.set_terminated(run_id, "FINISHED", run.finished)
        del self._unfinished[run.key]
        outdated = self._finished.pop(run.key, None)
        self._finished[run.key] = (run_id, _origin(run.tags))
        if outdated:
            self.client.delete_run(outdated[0])
        self._example = run_id

    def _to_write(self, run: RunDescription, points: pd.DataFrame | None, record: PackRecord) -> FinishedRun:
        """What MLflow is to hold of a run. The runs above it are there afterwards."""
        params = run.params
        cell = {name: params[name] for name in ("dataset", "encoder", "loss", "miner")}
        cell_name = " ".join(str(value) for value in cell.values())
        study_id = self._parent(("study",), self.study, {}, None, record)
        cell_id = self._parent(("cell", cell_name), cell_name, cell, study_id, record)
        name = f"{cell_name} margin={params['margin']:g} lr={params['lr']:g} seed={params['seed']}"
        stopped = run.tags.get("stopped", "false")
        name += f" (stopped at {stopped})" if stopped != "false" else ""
        tags = {**run.tags, "level": "run", "key": run.key, PARENT_TAG: cell_id}
        texts = {param: str(value) for param, value in params.items()}
        return FinishedRun(run.key, name, record.started, record.finished, tags, texts, _points(points))

    def _parent(
        self, path: tuple[str, ...], name: str, params: Mapping[str, Value], parent: str | None, record: PackRecord
    ) -> str:
        if path not in self._parents:
            key = "/".join(path)
            tags = {"level": path[0], "key": key} | ({PARENT_TAG: parent} if parent else {})
            run_id = self._unfinished[key] = self._unfinished.get(key) or self._new_run(name, tags, record.started)
            self.client.log_batch(run_id, params=_params(params))
            self.client.set_terminated(run_id, "FINISHED", record.finished)
            self._parents[path] = self._unfinished.pop(key)
        return self._parents[path]

    def _new_run(self, name: str, tags: Mapping[str, str], started: int) -> str:
        run = self.client.create_run(self.experiment, start_time=started, tags=tags, run_name=name)
        return str(run.info.run_id)


def _points(points: pd.DataFrame | None) -> list[tuple[str, int, float]]:
    """A run's metrics, epochs and values."""
    if points is None:
        return []
    columns = (points["metric"].astype(str), points["epoch"], points["value"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _origin(tags: Mapping[str, str]) -> tuple[str, ...]:
    """What a result depends on beside its key. A result of another origin replaces the one in MLflow."""
    return tuple(tags.get(name, "") for name in ("code_version", "data_digest"))


def _params(values: Mapping[str, Value]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, str(value)) for name, value in values.items()]


def is_connection_error(error: BaseException | None) -> bool:
    """Whether a failed connection caused an error, directly or not."""
    while error is not None:
        if isinstance(error, OSError) or type(error).__name__ == "OperationalError":
            return not isinstance(error, ValueError)  # requests raises both at once for an impossible address
        error = error.__cause__ or error.__context__
    return False
