"""Packs on a real local Ray."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from upath import UPath

from analysis import load_study
from analysis.store.records import read_record
from study.cluster.connection import connect, disconnect
from study.cluster.scheduling import train_packs
from study.cluster.trials import MOST_TRIES, TrialCallback
from study.recording.live.shown import LIVE_TAG
from study.run import main
from study.storage.checkpoints import CheckpointFolder
from study.storage.standing import read_standing
from tests.study.cluster.listeners import Collected
from tests.study.processes import running
from tests.study.recording.records import runs_of
from tests.study.recording.tables import content
from tests.trainables.test_invariants import ALONE, DIGITS, OTHERS, points
from trainables.datasets.registry import load_vectors
from trainables.pack import Pack
from trainables.provenance import code_version
from trainables.training.history import History
from trainables.training.loop import train_pack
from trainables.training.snapshots import Snapshot, to_bytes
from trainables.tune_adapter import TrainingJob

DIGITS_MLP = DIGITS.dataset_key
GOOD = TrainingJob(Pack(DIGITS, (ALONE,)), "good", "version data key", code_version())


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    connect(None)
    yield
    disconnect()


def test_a_pack_has_the_same_result_with_and_without_ray(tmp_path: Path) -> None:
    digits, collected = load_vectors("digits"), Collected()
    torch.set_num_threads(1)
    snapshots = CheckpointFolder(UPath(tmp_path) / "checkpoints", 1e-6)
    assert train_packs([GOOD, GOOD], {DIGITS_MLP: digits}, snapshots, 0.0, collected) == []
    results = [points(collected.histories[position], 0) for position in range(2)]
    assert results[0] == results[1] == points(train_pack(GOOD.pack, digits), 0)


def test_a_pack_goes_on_from_its_snapshot(tmp_path: Path) -> None:
    """The snapshot is of a training with another learning rate, which shows in the result."""
    digits, collected = load_vectors("digits"), Collected()
    other = Pack(DIGITS, (replace(ALONE, lr=0.1),))
    kept: dict[int, Snapshot] = {}
    train_pack(other, digits, on_epoch=lambda epoch, snapshot: kept.update({epoch: snapshot()}))
    snapshots = CheckpointFolder(UPath(tmp_path) / "checkpoints", 1e9)
    snapshots.write(GOOD.name, to_bytes(kept[1], GOOD.fingerprint))
    train_packs([GOOD], {DIGITS_MLP: digits}, snapshots, 0.0, collected)
    resumed = {(metric, epoch): value for metric, epoch, value in collected.histories[0].points(0)}
    first = {(metric, epoch): value for metric, epoch, value in train_pack(other, digits).points(0)}
    assert resumed["train/loss", 1] == first["train/loss", 1]
    assert snapshots.interrupted_packs("version") == [["key"]]
    assert snapshots.interrupted_packs("another version") == []


def test_a_full_disk_ends_the_study_with_its_own_error(tmp_path: Path) -> None:
    class FullDisk(Collected):
        def on_result(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

    snapshots = CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0)
    with pytest.raises(OSError, match="No space left"):
        train_packs([GOOD], {DIGITS_MLP: load_vectors("digits")}, snapshots, 0.0, FullDisk())


def test_a_deadline_stops_what_trains_then_and_starts_no_more_and_nothing_has_failed(tmp_path: Path) -> None:
    """It would take hours. What its training has kept goes on in another session."""
    endless = replace(DIGITS, epochs=100_000, evaluate_every=100_000)
    jobs = [replace(GOOD, name=f"endless{each}", pack=Pack(endless, (ALONE,))) for each in range(5)]
    snapshots, collected = CheckpointFolder(UPath(tmp_path) / "checkpoints", 1e-6), Collected()
    started, seconds = time.monotonic(), 3.0
    digits = {DIGITS_MLP: load_vectors("digits")}
    assert train_packs(jobs, digits, snapshots, 0.0, collected, started + seconds) == []
    assert seconds <= time.monotonic() - started < seconds + 20
    assert collected.histories == {}
    assert train_packs(jobs, digits, snapshots, 0.0, collected, started) == []


def test_what_was_given_up_before_the_deadline_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = time.monotonic() + 0.2

    def until_then(trainable: object, searcher: object, callback: TrialCallback, deadline: float) -> dict[int, None]:
        callback.finished.add(0)
        callback.failed[1] = "ValueError: broken"
        callback.give_up(1)
        callback.failed[2] = "ValueError: once more"  # and its process has not ended
        time.sleep(max(deadline - time.monotonic(), 0))
        return {}

    monkeypatch.setattr("study.cluster.scheduling._run_experiment", until_then)
    snapshots = CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0)
    failed = train_packs([GOOD] * 4, {DIGITS_MLP: load_vectors("digits")}, snapshots, 0.0, Collected(), deadline)
    assert failed == [(1, "ValueError: broken")]


@pytest.mark.faults
def test_a_pack_whose_process_dies_more_often_than_it_may_fail_is_trained_in_ever_smaller_pieces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried, collected = tmp_path / "tried", Collected()
    pack = Pack(DIGITS, (ALONE, *OTHERS[:3]))

    def dies(*args: Any) -> History:
        import signal

        from trainables.training.within_memory import train_within_memory

        with tried.open("a") as file:
            file.write(f"{args[-1]} ")
        if len(tried.read_text().split()) <= MOST_TRIES:
            os.kill(os.getpid(), signal.SIGKILL)
        return train_within_memory(*args)

    monkeypatch.setattr("trainables.tune_adapter.train_within_memory", dies)
    digits = load_vectors("digits")
    failed = train_packs(
        [replace(GOOD, pack=pack)],
        {DIGITS_MLP: digits},
        CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0),
        0.0,
        collected,
    )
    assert failed == []
    assert tried.read_text().split() == ["1", "1", "2", "4"]
    assert [what.startswith("its process died: ") for _, what in collected.troubles] == [True] * 3
    at_once = train_pack(pack, digits)
    assert [points(collected.histories[0], k) for k in range(4)] == [points(at_once, k) for k in range(4)]


@pytest.mark.faults
def test_a_process_that_dies_as_tune_hands_it_a_pack_costs_no_pack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    killed, collected = tmp_path / "killed", Collected()

    def dies_when_it_is_handed_another(*args: Any) -> History:
        import signal

        import ray

        from trainables.training.within_memory import train_within_memory

        (actor,) = ray._private.worker.global_worker.actors.values()

        def reset_config(*given: Any) -> bool:
            if not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return bool(type(actor).reset_config(actor, *given))

        actor.reset_config = reset_config
        return train_within_memory(*args)

    monkeypatch.setattr("trainables.tune_adapter.train_within_memory", dies_when_it_is_handed_another)
    snapshots = CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0)
    assert train_packs([GOOD] * 6, {DIGITS_MLP: load_vectors("digits")}, snapshots, 0.0, collected) == []
    assert killed.exists()
    assert sorted(collected.histories) == [*range(6)]


def complete_study(storage: Path, name: str, *more: str) -> int:
    """The command in this process, on this module's cluster: two packs of 3 runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("study.session.connect", lambda address: None)
        patch.setattr("study.session.disconnect", lambda: None)
        options = ["--miners", "hard", "--margins", "0.5", "--epochs", "2", "--seeds", "3", "--pack-size", "3", *more]
        return main(["--preset", "demo", "--datasets", "digits", *options, "--storage", str(storage), "--name", name])


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a study that nothing disturbed."""
    folder = tmp_path_factory.mktemp("results")
    assert complete_study(folder, "undisturbed") == 0
    return folder


@pytest.mark.faults
def test_a_study_on_devices_without_room_for_its_packs_ends_with_the_same_results(
    monkeypatch: pytest.MonkeyPatch, storage: Path
) -> None:
    refused = storage / "refused"

    def short_of_memory(*args: Any) -> History:
        from unittest.mock import patch

        import torch

        from trainables.training.loop import train_pack
        from trainables.training.within_memory import train_within_memory

        def limited(pack: Pack, *rest: Any) -> History:
            if len(pack.members) > 2:
                with refused.open("a") as file:
                    file.write(f"{len(pack.members)} ")
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return train_pack(pack, *rest)

        with patch("trainables.training.within_memory.train_pack", limited):
            return train_within_memory(*args)

    monkeypatch.setattr("trainables.tune_adapter.train_within_memory", short_of_memory)
    assert complete_study(storage, "short") == 0
    assert refused.read_text().split() == ["3", "3"]
    pd.testing.assert_frame_equal(load_study("short", storage), load_study("undisturbed", storage), check_exact=True)


@pytest.mark.faults
def test_a_study_with_a_pack_that_always_fails_names_it_and_records_the_others(
    monkeypatch: pytest.MonkeyPatch, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = storage / "tried"

    def fails(pack: Pack, *args: Any) -> History:
        from trainables.training.within_memory import train_within_memory

        if pack.structure.loss == "triplet":
            with tried.open("a") as file:
                file.write("x")
            raise ValueError("broken\non purpose")
        return train_within_memory(pack, *args)

    monkeypatch.setattr("trainables.tune_adapter.train_within_memory", fails)
    assert complete_study(storage, "failing") == 1
    lines = capsys.readouterr().err.splitlines()
    errors = [line for line in lines if line.startswith("error:")]
    assert errors == ["error: the pack of 3 runs digits triplet hard failed: ValueError: broken on purpose"]
    at_once = [line for line in lines if "failed at try" in line]
    assert [line.partition(" of 3: ")[2] for line in at_once] == ["ValueError: broken on purpose"] * MOST_TRIES
    standing = read_standing(storage / "failing")
    assert standing is not None
    assert (standing.ended, len(standing.troubles)) == (True, MOST_TRIES)
    assert len(tried.read_text()) == MOST_TRIES
    kept = load_study("undisturbed", storage).query("loss == 'contrastive'").reset_index(drop=True)
    found = load_study("failing", storage)
    pd.testing.assert_frame_equal(found, kept[found.columns], check_exact=True)
    assert (storage / "failing" / "report" / "report.html").is_file()


def test_a_study_shows_its_runs_while_they_train_and_ends_with_what_is_recorded(tmp_path: Path) -> None:
    database, trained = tmp_path / "mlflow.db", threading.Event()
    seen: list[int] = []

    def watch() -> None:
        while not trained.wait(0.1):
            seen.append(running(database))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert complete_study(tmp_path, "shown", "--epochs", "60", "--live-seconds", "1e-6") == 0
    finally:
        trained.set()
        watcher.join()
    assert max(seen) in (3, 6), "packs of three"
    assert running(database) == 0
    runs = {run.data.tags["key"]: run for run in runs_of(f"sqlite:///{database}", study="shown")}
    points = content(f"sqlite:///{database}")["metrics"]
    for path in (tmp_path / "shown" / "records").iterdir():
        record = read_record(path)
        for run in record.runs:
            shown = runs.pop(run.key)
            assert shown.info.status == "FINISHED"
            assert shown.data.params == {name: str(value) for name, value in run.params.items()}
            assert shown.data.tags.items() >= run.tags.items()
            assert LIVE_TAG not in shown.data.tags
            own = points[points["run_uuid"] == run.key]
            assert set(own["timestamp"]) == {record.started}
            columns = {"key": "metric", "step": "epoch", "value": "value"}
            found = own[list(columns)].rename(columns=columns).sort_values(["metric", "epoch"], ignore_index=True)
            written = record.points[record.points["key"] == run.key].drop(columns="key").astype({"metric": str})
            wanted = written.sort_values(["metric", "epoch"], ignore_index=True)
            pd.testing.assert_frame_equal(found, wanted, check_exact=True, check_dtype=False)
    assert not runs
