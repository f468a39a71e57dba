"""Filling MLflow from records: study > cell (dataset, loss, miner) > run, each run once.

The records on disk come first; MLflow is a copy of them that can be made again at any time. A run is found by its key,
and a run that was left half-filled is filled to the end: its points carry the time of the record, so writing one twice
changes nothing.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from upath import UPath

from analysis.mlflow_client import open_client, reason, search_all_runs, without_passwords
from analysis.records import PackRecord, RunDescription, Value
from study.bulk_tracking import FinishedRun, database_file, insert_runs, new_run_ids

REQUEST_ITEMS = 1000  # the most metrics, parameters and tags that one request of MLflow's may carry
PARENT_TAG = "mlflow.parentRunId"  # MLflow's own names, as its interface reads them
KIND_TAGS = {"mlflow.experimentKind": "custom_model_development"}


class TrackingError(RuntimeError):
    """MLflow cannot be reached or written.

    Attributes:
        away: Whether it may come back by itself: a server that does not answer, rather than one that refuses.
    """

    def __init__(self, text: str, away: bool = False) -> None:
        super().__init__(text)
        self.away = away


def browse_hint(uri: str, study: str) -> str:
    """How to browse a study: an address to open, or a command to type."""
    uri = without_passwords(uri)
    if uri.startswith(("http://", "https://")):
        return f"{uri} (experiment {study})"
    python = shlex.quote(sys.executable)
    return f"{python} -m mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri {shlex.quote(uri)}"


@dataclass
class TrackingSink:
    """One study's experiment in MLflow, open for writing.

    Attributes:
        client: MLflow's own.
        experiment: Its id.
        study: Its name.
        database: MLflow's SQLite file, if it is one.
    """

    client: Any
    experiment: str
    study: str
    database: Path | None = None
    _parents: dict[tuple[str, ...], str] = field(default_factory=dict)
    _finished: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    _unfinished: dict[str, str] = field(default_factory=dict)
    _example: str | None = None

    def write(self, record: PackRecord) -> None:
        """Writes the runs of a record that are not in MLflow yet, or stand there as other code trained them.

        Raises:
            TrackingError: If MLflow fails; the same record can be written again.
        """
        missing = [run for run in record.runs if self._origin_of(run.key) != _origin(run.tags)]
        if not missing:
            return
        try:
            points = {str(key): group for key, group in record.points.groupby("key", observed=True)}
            if self._example is None:
                first = missing.pop(0)
                self._write_run(first, points.get(first.key), record)
            for run in self._insert(missing, points, record):
                self._write_run(run, points.get(run.key), record)
        except Exception as error:  # a store may raise anything; whatever it is, the records are safe
            raise TrackingError(reason(error), _is_connection(error)) from error

    def log_report(self, folder: UPath) -> None:
        """Logs a report's files to the study's own run, over those of the same names.

        Raises:
            TrackingError: If MLflow does not take them.
        """
        run_id = self._parents.get(("study",))
        if run_id is None:
            return
        try:
            with _local(folder) as here:
                self.client.log_artifacts(run_id, str(here), "report")
        except Exception as error:  # as for runs, a store may raise anything
            raise TrackingError(reason(error)) from error

    def learn(self, run: Any) -> None:
        """Takes note of a run that MLflow holds; one too many, or a parent that was left half-made, is deleted."""
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

    def _insert(
        self, runs: list[RunDescription], points: Mapping[str, pd.DataFrame], record: PackRecord
    ) -> list[RunDescription]:
        """Inserts the runs that MLflow does not know at all, where that can be done at once; returns the others."""
        fresh = [run for run in runs if run.key not in self._finished and run.key not in self._unfinished]
        if self.database is None or self._example is None or not fresh:
            return runs
        rows = []
        for run_id, run in zip(new_run_ids(len(fresh)), fresh, strict=True):
            name, tags = self._name_and_tags(run, record)
            params = {name: str(value) for name, value in run.params.items()}
            times = record.started, record.finished
            rows.append(FinishedRun(run_id, name, *times, tags, params, _points(points.get(run.key))))
        if not insert_runs(self.database, self._example, rows):
            return runs
        self._finished.update({run.key: (row.run_id, _origin(run.tags)) for run, row in zip(fresh, rows, strict=True)})
        inserted = {run.key for run in fresh}
        return [run for run in runs if run.key not in inserted]

    def _write_run(self, run: RunDescription, points: pd.DataFrame | None, record: PackRecord) -> None:
        from mlflow.entities import Metric, RunTag

        begun = self._unfinished.get(run.key)
        run_id = self._unfinished[run.key] = begun or self._new(*self._name_and_tags(run, record), record)
        # A new run has its tags already, at a quarter of the price; one that was begun may have another version's.
        tags = [RunTag(name, value) for name, value in run.tags.items()] if begun else []
        metrics = [Metric(metric, value, record.finished, epoch) for metric, epoch, value in _points(points)]
        first = REQUEST_ITEMS - len(tags) - len(run.params)
        self.client.log_batch(run_id, metrics[:first], _params(run.params), tags)
        for start in range(first, len(metrics), REQUEST_ITEMS):
            self.client.log_batch(run_id, metrics[start : start + REQUEST_ITEMS])
        self.client.set_terminated(run_id, "FINISHED", record.finished)
        del self._unfinished[run.key]
        outdated = self._finished.pop(run.key, None)
        self._finished[run.key] = (run_id, _origin(run.tags))
        if outdated:
            self.client.delete_run(outdated[0])
        self._example = run_id

    def _name_and_tags(self, run: RunDescription, record: PackRecord) -> tuple[str, dict[str, str]]:
        params = run.params
        cell = {name: params[name] for name in ("dataset", "encoder", "loss", "miner")}
        cell_name = " ".join(str(value) for value in cell.values())
        study_id = self._parent(("study",), self.study, {}, None, record)
        cell_id = self._parent(("cell", cell_name), cell_name, cell, study_id, record)
        name = f"{cell_name} margin={params['margin']:g} lr={params['lr']:g} seed={params['seed']}"
        return name, {"level": "run", "key": run.key, PARENT_TAG: cell_id, **run.tags}

    def _parent(
        self, path: tuple[str, ...], name: str, params: Mapping[str, Value], parent: str | None, record: PackRecord
    ) -> str:
        if path not in self._parents:
            key = "/".join(path)
            tags = {"level": path[0], "key": key} | ({PARENT_TAG: parent} if parent else {})
            run_id = self._unfinished[key] = self._unfinished.get(key) or self._new(name, tags, record)
            self.client.log_batch(run_id, params=_params(params))
            self.client.set_terminated(run_id, "FINISHED", record.finished)
            self._parents[path] = self._unfinished.pop(key)
        return self._parents[path]

    def _new(self, name: str, tags: dict[str, str], record: PackRecord) -> str:
        run = self.client.create_run(self.experiment, start_time=record.started, tags=tags, run_name=name)
        return str(run.info.run_id)


def _points(points: pd.DataFrame | None) -> list[tuple[str, int, float]]:
    """A run's metrics, epochs and values."""
    if points is None:
        return []
    columns = (points["metric"].astype(str), points["epoch"], points["value"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _origin(tags: Mapping[str, str]) -> tuple[str, ...]:
    """What a recorded result depends on beside its key: trained again by other code, it replaces the old one."""
    return tuple(tags.get(name, "") for name in ("code_version", "data_digest"))


def _params(values: Mapping[str, Value]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, str(value)) for name, value in values.items()]


def is_to_be_made(uri: str) -> bool:
    """Whether an address is that of an SQLite file that is not there yet."""
    database = database_file(uri)
    return database is not None and not database.exists()


def open_sink(uri: str, study: str, artifacts: UPath | None = None) -> TrackingSink:
    """Opens a study's experiment, creating what is missing, and learns what it holds.

    Args:
        uri: MLflow's address.
        study: Name of the study, and of its experiment.
        artifacts: Where a new experiment keeps its files, if the address is a database: one knows no place for them.

    Raises:
        TrackingError: If the address does not answer or cannot be written.
    """
    database = database_file(uri)
    try:
        if database is not None and is_to_be_made(uri):
            _make_database(database)
        client = open_client(uri)
        experiment = client.get_experiment_by_name(study)
        if experiment is not None and experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        if experiment is None:
            place = artifacts.as_uri() if artifacts and not uri.startswith(("http://", "https://")) else None
            experiment_id = client.create_experiment(study, artifact_location=place, tags=KIND_TAGS)
        else:
            experiment_id = experiment.experiment_id
        sink = TrackingSink(client, experiment_id, study, database)
        runs = search_all_runs(client, experiment_id)
        for run in sorted(runs, key=lambda run: run.info.status != "FINISHED"):  # of a run there twice, keep that one
            sink.learn(run)
        return sink
    except Exception as error:  # whatever the store behind the address raises, it is the address that is at fault
        away = not uri.startswith("sqlite:") and _is_connection(error)
        raise TrackingError(f"MLflow at {without_passwords(uri)} does not answer: {reason(error)}", away) from error


def _make_database(database: Path) -> None:
    """Makes MLflow's file, which is there whole or not at all: MLflow cannot go on from tables that are half made."""
    partial = database.with_name(f".{database.name}.{uuid.uuid4().hex}.partial")
    try:
        open_client(f"sqlite:///{partial}").search_experiments(max_results=1)
        try:
            os.link(partial, database)
        except FileExistsError:  # another study of the same storage was quicker
            pass
        except OSError:  # a disk without hard links
            if not database.exists():
                partial.rename(database)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _local(folder: UPath) -> Iterator[Path]:
    """A folder on this machine with the files of one that may be elsewhere."""
    if isinstance(folder, Path):
        yield folder
        return
    with tempfile.TemporaryDirectory() as copy:
        for file in folder.rglob("*"):
            if file.is_file():
                target = Path(copy) / str(file.relative_to(folder))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
        yield Path(copy)


def _is_connection(error: BaseException | None) -> bool:
    """Whether an error comes from a connection that failed, however far down."""
    while error is not None:
        if isinstance(error, OSError) or type(error).__name__ == "OperationalError":
            return not isinstance(error, ValueError)  # as requests calls an address that cannot be one
        error = error.__cause__ or error.__context__
    return False
