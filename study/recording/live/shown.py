"""The runs in training that MLflow shows.

They bear a tag, the mark of their study's folder, until they end. So whoever holds the study next knows which of the
runs that seem to train nobody trains any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine

from analysis.store.mlflow_client import is_connection_error
from study.recording.database.runs import Point, TrackedRun, insert_runs
from study.recording.live.rows import add_points, complete_runs
from study.recording.live.told import LivePack
from study.recording.mlflow_requests import log_points, log_run
from study.recording.side_by_side import side_by_side

LIVE_TAG = "live"


@dataclass(frozen=True)
class _Shown:
    run_id: str
    pack: LivePack
    member: int

    def points_of(self, run: TrackedRun) -> set[Point] | None:
        """The points that are shown; None if the run, which has ended, has others."""
        points = set(self.pack.shown(self.member))
        return points if self.pack.started == run.started and points <= set(run.points) else None


class ShownRuns:
    """Creates runs that train, adds to them, and ends them. MLflow raises errors of many kinds."""

    def __init__(self, client: Any, experiment: str, database: Engine | None, threads: int, mark: str) -> None:
        """Shows none yet.

        Args:
            client: MLflow's client.
            experiment: The experiment's id.
            database: MLflow's database, if its address is one.
            threads: How many runs are written at once through MLflow's interface.
            mark: Of the study's folder.
        """
        self._client = client
        self._experiment = experiment
        self._database = database
        self._threads = threads
        self._mark = mark
        self._shown: dict[str, _Shown] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._shown

    def show(self, pack: LivePack, runs: Mapping[int, TrackedRun], example: str) -> None:
        """Shows what is new of a pack.

        Args:
            pack: What is known of it.
            runs: Those of its runs that are to be shown, by member, without points.
            example: The id of a run of the experiment.
        """
        new: dict[int, TrackedRun] = {}
        shown: list[TrackedRun] = []
        for member, run in runs.items():
            if run.key in self._shown:
                shown.append(replace(run, points=pack.news(member)))
            else:
                new[member] = replace(run, points=pack.known(member), tags={**run.tags, LIVE_TAG: self._mark})
        self._add(shown)
        self._create(pack, new, example)
        pack.all_shown()

    def complete(self, runs: Sequence[TrackedRun]) -> dict[str, str]:
        """Ends those of some runs that are shown, if the database allows it; returns their ids by key."""
        ids = {self._shown[run.key].run_id: run for run in runs if run.key in self._shown}
        if self._database is None or not ids:
            return {}
        known = {run_id: self._shown[run.key].points_of(run) or () for run_id, run in ids.items()}
        if not complete_runs(self._database, ids, known):
            return {}
        for run in ids.values():
            del self._shown[run.key]
        return {run.key: run_id for run_id, run in ids.items()}

    def hand_over(self, run: TrackedRun) -> tuple[str, Collection[Point]] | None:
        """Gives a run that has ended away: its id and the points that it has. One that shows others is deleted."""
        shown = self._shown.pop(run.key, None)
        if shown is None:
            return None
        points = shown.points_of(run)
        if points is not None:
            try:
                self._client.delete_tag(shown.run_id, LIVE_TAG)
                return shown.run_id, points
            except Exception as error:  # somebody may have deleted it
                if is_connection_error(error):
                    raise
        self.delete(shown.run_id)
        return None

    def withdraw(self, keys: Collection[str] | None = None) -> None:
        """Deletes those of some runs, or of all, that are shown."""
        for key in list(self._shown) if keys is None else self._shown.keys() & set(keys):
            self.delete(self._shown.pop(key).run_id)

    def is_left_behind(self, tags: Mapping[str, str]) -> bool:
        """Whether a run that does not end is one of an earlier session of this study."""
        return tags.get(LIVE_TAG) == self._mark

    def delete(self, run_id: str) -> None:
        """Deletes a run, unless it is deleted already."""
        try:
            self._client.delete_run(run_id)
        except Exception as error:
            if is_connection_error(error):
                raise

    def _create(self, pack: LivePack, runs: dict[int, TrackedRun], example: str) -> None:
        ids = insert_runs(self._database, example, list(runs.values())) if self._database is not None and runs else None
        if ids is not None:
            for run_id, (member, run) in zip(ids, runs.items(), strict=True):
                self._shown[run.key] = _Shown(run_id, pack, member)
            return

        def create(member: int) -> None:
            run = runs[member]
            made = self._client.create_run(self._experiment, start_time=run.started, tags=run.tags, run_name=run.name)
            try:
                log_run(self._client, made.info.run_id, run)
            except Exception:
                with suppress(Exception):  # if it stays, its tag tells what it is
                    self._client.delete_run(made.info.run_id)
                raise
            self._shown[run.key] = _Shown(made.info.run_id, pack, member)

        side_by_side(create, runs, self._threads)

    def _add(self, runs: Sequence[TrackedRun]) -> None:
        by_id = {self._shown[run.key].run_id: run for run in runs if run.points}
        if not by_id or (self._database is not None and add_points(self._database, by_id)):
            return
        side_by_side(lambda run_id: log_points(self._client, run_id, by_id[run_id]), by_id, self._threads)
