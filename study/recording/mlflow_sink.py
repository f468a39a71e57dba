"""Fills MLflow from records: one run for the study, and below it those of the records, and cells, its aggregates.

MLflow is a copy of the records, which can be made again at any time. Each run is there once, found by its key. A run
that was written only partly is completed. Its points carry the time of its start, so that a point written twice is the
same point. Runs that are shown while they train are completed by their record, or go. A cell is replaced when what it
says has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine
from upath import UPath

from analysis.parameters import value_text
from analysis.store.mlflow_client import is_connection_error, reason
from analysis.store.record_schema import RunDescription
from analysis.store.records import PackRecord
from study.recording.database.runs import HeldRun, Point, TrackedRun, insert_runs
from study.recording.live.shown import LIVE_TAG, ShownRuns
from study.recording.live.told import LivePack
from study.recording.mlflow_requests import log_run
from study.recording.report_artifacts import RefusedAddressError, log_report_files
from study.recording.side_by_side import side_by_side

PARENT_TAG = "mlflow.parentRunId"  # MLflow's own name, which its interface reads
_STUDY = "study"  # level and key of the study's own run
CELL = "cell/"  # begins the keys of aggregates
CONTENT_TAG = "content"  # a digest of what an aggregate says
_ORIGIN_TAGS = ("code_version", "data_digest", CONTENT_TAG)
TAGS_TO_KNOW = ("level", "key", *_ORIGIN_TAGS, LIVE_TAG)  # of a run that MLflow holds


class TrackingError(RuntimeError):
    """MLflow cannot be reached or written.

    Attributes:
        unreachable: Whether MLflow does not answer, and may answer later. False if it refuses.
    """

    def __init__(self, text: str, unreachable: bool = False) -> None:
        super().__init__(text)
        self.unreachable = unreachable


@contextmanager
def tracking_errors() -> Iterator[None]:
    """Makes whatever MLflow raises a `TrackingError`: its stores raise errors of many kinds."""
    try:
        yield
    except Exception as error:
        raise TrackingError(reason(error), is_connection_error(error)) from error


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
        study_run: The id of the study's own run, once it is there.
        study_content: What that run's tag says of what was written to it.
        mark: Of the study's folder; see `ShownRuns`.
    """

    client: Any
    experiment: str
    study: str
    database: Engine | None = None
    threads: int = 1
    uri: str = ""
    within: Path | None = None
    study_run: str | None = None
    study_content: str = ""
    mark: str = ""
    _finished: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    _unfinished: dict[str, str] = field(default_factory=dict)
    _example: str | None = None
    _has_record: bool = True  # the study's own run, which the first pack that is shown creates

    def __post_init__(self) -> None:
        self._shown = ShownRuns(self.client, self.experiment, self.database, self.threads, self.mark)

    def write(self, record: PackRecord) -> None:
        """Writes the runs of a record that MLflow does not hold, or holds as other code or data gave them.

        Raises:
            TrackingError: If MLflow fails; the same record can be written again.
        """
        missing = [run for run in record.runs if self._origin_of(run.key) != _origin(run.tags)]
        if not missing:
            return
        with tracking_errors():
            points = {str(key): group for key, group in record.points.groupby("key", observed=True)}
            times = (record.started, record.finished)
            parent = self._parent(*times)
            self._write([_to_write(run, _points(points.get(run.key)), times, parent) for run in missing])

    def write_cells(self, cells: Sequence[TrackedRun]) -> None:
        """Writes the study's aggregates; those that say something else than these are deleted.

        Raises:
            TrackingError: If MLflow fails; the same cells can be written again.
        """
        wanted = {cell.key: _origin(cell.tags) for cell in cells}
        held = {key: origin for key, (_, origin) in self._finished.items() if key.startswith(CELL)}
        self.remove([key for key, origin in held.items() if wanted.get(key) != origin])
        with tracking_errors():
            below = {PARENT_TAG: self.study_run} if self.study_run else {}
            new = [cell for cell in cells if cell.key not in self._finished]
            self._write([replace(cell, tags={**cell.tags, **below}) for cell in new])

    def show(self, pack: LivePack) -> None:
        """Shows what is new of a pack in training, of those of its runs that MLflow does not hold.

        Raises:
            TrackingError: If MLflow fails; the same can be shown again.
        """
        held = self._finished.keys() | self._unfinished.keys()
        with tracking_errors():
            times = (pack.started, None)
            parent = self._parent(*times)
            runs = {
                member: _to_write(run, (), times, parent) for member, run in enumerate(pack.runs) if run.key not in held
            }
            self._shown.show(pack, runs, self._example or parent)

    def withdraw(self, keys: Collection[str] | None = None) -> None:
        """Deletes runs that are shown and will not end, by their keys; by default all of them.

        Raises:
            TrackingError: If MLflow fails.
        """
        with tracking_errors():
            self._shown.withdraw(keys)

    def _write(self, runs: list[TrackedRun]) -> None:
        completed = self._shown.complete(runs)
        for run in runs:
            if run.key in completed:
                self._example = completed[run.key]
                self._finished[run.key] = (completed[run.key], _origin(run.tags))
        left = [run for run in runs if run.key not in completed]
        if left and self.database is not None and self._example is None:
            self._write_run(left.pop(0))
        side_by_side(self._write_run, self._insert(left), self.threads)

    def remove(self, keys: Collection[str]) -> None:
        """Deletes runs that another run has taken the place of, as far as MLflow holds them.

        Raises:
            TrackingError: If MLflow fails.
        """
        with tracking_errors():
            for key in self._finished.keys() & set(keys):
                self.client.delete_run(self._finished.pop(key)[0])

    def log_report(self, folder: UPath) -> None:
        """Logs a report's files to the study's own run. Files of the same names are replaced.

        Raises:
            RefusedAddressError: If MLflow names a place for them that it should not name.
            TrackingError: If MLflow does not take them.
        """
        if self.study_run is None:
            return
        try:
            log_report_files(self.client, self.study_run, folder, self.uri, self.within)
        except RefusedAddressError:
            raise
        except Exception as error:  # MLflow's stores raise errors of many kinds
            raise TrackingError(reason(error)) from error

    def add_existing(self, run: HeldRun) -> None:
        """Notes a run that MLflow holds. A duplicate is deleted, and so is what was written only partly, unless a run.

        Runs that an earlier session of this study showed are deleted: nobody trains them any more. Those that sessions
        on other storages show are left alone.

        The cells of older versions, which have no content, are left as they are: runs lie below them.
        """
        tags, run_id, finished = run.tags, run.run_id, run.is_finished
        level, key = tags.get("level"), tags.get("key", "")
        if level == _STUDY:
            if finished and self.study_run is None:
                self.study_run, self.study_content = run_id, tags.get(CONTENT_TAG, "")
            else:
                self.client.delete_run(run_id)
        elif not finished and LIVE_TAG in tags:
            if self._shown.is_left_behind(tags):
                self.client.delete_run(run_id)
        elif level == "run" or (level == "cell" and CONTENT_TAG in tags):
            if key in self._finished or key in self._unfinished or not (finished or level == "run"):
                self.client.delete_run(run_id)
            elif finished:
                self._finished[key] = (run_id, _origin(tags))
            else:
                self._unfinished[key] = run_id

    def _origin_of(self, key: str) -> tuple[str, ...] | None:
        return self._finished[key][1] if key in self._finished else None

    def _insert(self, runs: list[TrackedRun]) -> list[TrackedRun]:
        """Inserts the runs that MLflow does not know, if it has a database that allows it; returns those left."""
        held = self._finished.keys() | self._unfinished.keys()
        new = {run.key: run for run in runs if run.key not in held and run.key not in self._shown}
        if self.database is None or self._example is None or not new:
            return runs
        run_ids = insert_runs(self.database, self._example, list(new.values()))
        if run_ids is None:
            return runs
        for run_id, run in zip(run_ids, new.values(), strict=True):
            self._finished[run.key] = (run_id, _origin(run.tags))
        return [run for run in runs if run.key not in new]

    def _write_run(self, run: TrackedRun) -> None:
        shown = self._shown.hand_over(run)
        known: Collection[Point] = ()
        if shown is not None:
            self._unfinished[run.key], known = shown
        unfinished = self._unfinished.get(run.key)
        run_id = self._unfinished[run.key] = unfinished or self._new_run(run.name, run.tags, run.started)
        # A new run was created with its tags, which is cheaper. An unfinished one may have those of another version.
        new = replace(run, points=[point for point in run.points if point not in known])
        log_run(self.client, run_id, new, run.tags if unfinished else None)
        self.client.set_terminated(run_id, "FINISHED", run.finished)
        del self._unfinished[run.key]
        outdated = self._finished.pop(run.key, None)
        self._finished[run.key] = (run_id, _origin(run.tags))
        if outdated:
            self.client.delete_run(outdated[0])
        self._example = run_id

    def _parent(self, started: int, finished: int | None) -> str:
        """The id of the study's own run, which is there afterwards. It ends with the first record."""
        if self.study_run is None:
            tags = {"level": _STUDY, "key": _STUDY}
            run_id = self._unfinished[_STUDY] = self._unfinished.get(_STUDY) or self._new_run(self.study, tags, started)
            self.client.set_terminated(run_id, "FINISHED", started if finished is None else finished)
            self.study_run = self._unfinished.pop(_STUDY)
            self._has_record = finished is not None
        elif finished is not None and not self._has_record:
            self.client.set_terminated(self.study_run, "FINISHED", finished)
            self._has_record = True
        return self.study_run

    def _new_run(self, name: str, tags: Mapping[str, str], started: int) -> str:
        run = self.client.create_run(self.experiment, start_time=started, tags=tags, run_name=name)
        return str(run.info.run_id)


def _to_write(run: RunDescription, points: Sequence[Point], times: tuple[int, int | None], parent: str) -> TrackedRun:
    """What MLflow is to hold of a run, below another one."""
    params = run.params
    stopped = run.tags.get("stopped", "false")
    # Short, and what differs most comes first: MLflow shows the beginning of a name.
    numbers = f"{value_text(params['margin'])} {params['miner']} lr={value_text(params['lr'])} seed {params['seed']}"
    name = f"{params['loss']} {numbers} {params['dataset']} {params['encoder']}"
    name += f" (stopped at {stopped})" if stopped != "false" else ""
    tags = {**run.tags, "level": "run", "key": run.key, PARENT_TAG: parent}
    texts = {param: str(value) for param, value in params.items()}
    return TrackedRun(run.key, name, *times, tags, texts, points)


def _points(points: pd.DataFrame | None) -> list[Point]:
    """A run's metrics, epochs and values."""
    if points is None:
        return []
    columns = (points["metric"].astype(str), points["epoch"], points["value"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _origin(tags: Mapping[str, str]) -> tuple[str, ...]:
    """What a result depends on beside its key. A result of another origin replaces the one in MLflow."""
    return tuple(tags.get(name, "") for name in _ORIGIN_TAGS)
