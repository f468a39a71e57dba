"""The results of packs are kept as they end, without Ray."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from analysis.store.records import PackRecord
from study.planning.packing import make_packs
from study.recording.live.told import LiveUpdate
from study.recording.recorder import Recorder
from study.search.cohorts import Cohort, cohort_key
from study.search.pool import PackPool
from study.storage.checkpoints import CheckpointFolder
from study.storage.lock import LockedError
from study.training import ResultKeeper, Training, train
from tests.study.planning.examples import runs_of
from trainables.datasets.registry import load_vectors
from trainables.training.live_points import LivePoints, LiveReport
from trainables.training.loop import train_pack


class RecordList(Recorder):
    """Keeps records in memory."""

    def __init__(self) -> None:
        self.records: list[PackRecord] = []
        self.shown: list[LiveUpdate] = []
        self.withdrawn: list[str] = []

    def show(self, update: LiveUpdate) -> None:
        self.shown.append(update)

    def withdraw(self, pack: str) -> None:
        self.withdrawn.append(pack)

    def announcement(self) -> str:
        return ""

    def add(self, record: PackRecord) -> None:
        self.records.append(record)


@pytest.fixture
def training(tmp_path: Path) -> Training:
    """Two packs of two runs, of which the first one has a snapshot."""
    runs = runs_of(datasets=["digits"], losses=["triplet"], miners=["all", "hard"], margins=[0.2], epochs=1, seeds=2)
    snapshots = CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0)
    cohort = Cohort(cohort_key(runs[0].structure), lambda scores: runs, ())
    pool = PackPool([cohort], {}, lambda more: make_packs(more, 2, 1, {}))
    packs = pool.packs
    snapshots.write(packs[0].name, b"snapshot")
    key = packs[0].pack.structure.dataset_key
    return Training(pool, {key: load_vectors("digits")}, snapshots, 0.0, "1.0+abc", lambda structure: 1.0, 4.0, 4)


def keeper_of(training: Training, recorder: Recorder, check: Callable[[], None] = lambda: None) -> ResultKeeper:
    return ResultKeeper(training, recorder, 0, check)


def test_jobs_bear_the_names_of_their_packs_and_depend_on_code_data_and_runs(training: Training) -> None:
    dataset = load_vectors("digits")
    digest = f"{dataset.digest}+{dataset.inputs_digest}"
    jobs = keeper_of(training, RecordList()).jobs
    for planned, job in zip(training.pool.packs, jobs, strict=True):
        assert (job.pack, job.name, job.version) == (planned.pack, planned.name, "1.0+abc")
        assert job.fingerprint == " ".join(["1.0+abc", digest, *planned.keys])


def test_a_result_is_recorded_and_its_snapshot_removed(training: Training) -> None:
    recorder, planned = RecordList(), training.pool.packs[0]
    keeper = keeper_of(training, recorder)
    keeper.on_epoch(0, 1)
    keeper.on_result(0, train_pack(planned.pack, load_vectors("digits")), 1.5, "cpu")
    (record,) = recorder.records
    assert (record.pack, [run.key for run in record.runs]) == (planned.name, planned.keys)
    assert record.runs[0].tags["device"] == "cpu"
    assert record.runs[0].tags["test_part"] == "drawn"
    assert training.snapshots.read(planned.name) is None
    assert (keeper.busy_seconds, keeper.trained_runs) == (1.5, 2)


def test_what_is_shown_of_a_pack_in_training_is_what_its_record_says_of_it(training: Training) -> None:
    recorder, planned = RecordList(), training.pool.packs[0]
    keeper = keeper_of(training, recorder)
    points = LivePoints(0, (("train/loss", 1),), np.array([[0.5, 0.25]]))
    for seconds in (20.0, 3.0):  # the second try of a pack whose process died
        keeper.on_live(0, LiveReport((points,), seconds, "cpu"))
    keeper.on_result(0, train_pack(planned.pack, load_vectors("digits")), 4.0, "cpu")
    (record,) = recorder.records
    plain = [replace(run, sketch=None) for run in record.runs]
    for update in recorder.shown:
        assert (update.pack, update.started, [*update.runs]) == (record.pack, record.started, plain)
        assert [*update.points] == [points]
    assert record.finished - record.started >= 20_000


def test_a_pack_that_brings_no_result_is_shown_no_more(training: Training) -> None:
    recorder = RecordList()
    keeper_of(training, recorder).on_failure(1)
    assert recorder.withdrawn == [training.pool.packs[1].name]


def test_nothing_is_recorded_once_another_session_has_the_study(training: Training) -> None:
    def taken_over() -> None:
        raise LockedError("another host")

    recorder = RecordList()
    keeper = keeper_of(training, recorder, taken_over)
    history = train_pack(training.pool.packs[0].pack, load_vectors("digits"))
    with pytest.raises(LockedError):
        keeper.on_result(0, history, 1.0, "cpu")
    assert recorder.records == []
    assert training.snapshots.read(training.pool.packs[0].name) == b"snapshot"


def test_training_whose_time_is_over_before_it_begins_fails_nothing_and_says_so(
    training: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ray is not needed for that."""
    over = replace(training, deadline=time.monotonic() - 1)
    assert train(over, keeper_of(over, RecordList())) == []
    output = capsys.readouterr().out
    assert "Trained 0 runs" in output
    assert "The time is up." in output
    assert training.snapshots.read(training.pool.packs[0].name) == b"snapshot", "which goes on in the next session"
