"""Packs on a real local Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import ray
import torch
from upath import UPath

from analysis import load_study
from study.checkpoints import CheckpointFolder
from study.run import main
from study.scheduling import ClusterError, connect, gpu_share, train_packs, workers
from study.trials import TRIES
from tests.trainables.test_invariants import ALONE, DIGITS, OTHERS, points
from trainables.datasets import load_vectors
from trainables.history import History
from trainables.provenance import code_version
from trainables.snapshots import Snapshot, to_bytes
from trainables.spec import Pack
from trainables.training import train_pack
from trainables.tune_adapter import Order

GOOD = Order(Pack(DIGITS, (ALONE,)), "good", "version data key", code_version())


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    connect(None)
    yield
    ray.shutdown()


def test_a_pack_on_ray_brings_what_it_brings_without(tmp_path: Path) -> None:
    digits, brought = load_vectors("digits"), {}
    torch.set_num_threads(1)

    def keep(position: int, history: History, seconds: float, device: str) -> None:
        brought[position] = points(history, 0)

    snapshots = CheckpointFolder(UPath(tmp_path) / "checkpoints", 1e-6)
    assert train_packs([GOOD, GOOD], {("digits", "mlp"): digits}, snapshots, 0.0, lambda *_: None, keep) == []
    assert brought[0] == brought[1] == points(train_pack(GOOD.pack, digits), 0)


def test_a_pack_goes_on_from_its_snapshot(tmp_path: Path) -> None:
    """The snapshot is of a training with another learning rate, which shows in the result."""
    digits, brought = load_vectors("digits"), {}
    other = Pack(DIGITS, (replace(ALONE, lr=0.1),))
    kept: dict[int, Snapshot] = {}
    train_pack(other, digits, on_epoch=lambda epoch, snapshot: kept.update({epoch: snapshot()}))
    snapshots = CheckpointFolder(UPath(tmp_path) / "checkpoints", 1e9)
    snapshots.write(GOOD.name, to_bytes(kept[1], GOOD.fingerprint))

    def keep(position: int, history: History, seconds: float, device: str) -> None:
        brought.update({(metric, epoch): value for metric, epoch, value in history.points(0)})

    train_packs([GOOD], {("digits", "mlp"): digits}, snapshots, 0.0, lambda *_: None, keep)
    first = {(metric, epoch): value for metric, epoch, value in train_pack(other, digits).points(0)}
    assert brought["train/loss", 1] == first["train/loss", 1]
    assert snapshots.begun("version") == [["key"]]
    assert snapshots.begun("another version") == []


def test_a_full_disk_ends_the_study_with_its_own_error(tmp_path: Path) -> None:
    def keep(*_: object) -> None:
        raise OSError(28, "No space left on device")

    snapshots = CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0)
    with pytest.raises(OSError, match="No space left"):
        train_packs([GOOD], {("digits", "mlp"): load_vectors("digits")}, snapshots, 0.0, lambda *_: None, keep)


def test_workers_are_cores_where_there_is_no_gpu() -> None:
    assert workers(0.0) == int(ray.cluster_resources()["CPU"])


def test_gpus_are_asked_for_where_there_are_some_or_will_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    assert gpu_share(None, local=False) == gpu_share(0.5, local=True) == 0.0
    assert gpu_share(0.5, local=False) == 0.5
    monkeypatch.setattr(ray, "cluster_resources", dict)
    assert gpu_share(None, local=False) == 0.25, "a head without CPUs has workers to come"
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 64.0, "GPU": 3.0})
    assert gpu_share(1 / 3, local=True) == 1 / 3
    assert workers(1 / 3) == 9
    assert workers(gpu_share(None, local=False)) == 12


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1:9", "nobody listens"), ("ray://127.0.0.1:9", "Ray Client's address")]
)
def test_an_address_that_cannot_serve_is_said_at_once(address: str, expected: str) -> None:
    with pytest.raises(ClusterError, match=expected):
        connect(address)


def test_a_pack_whose_process_dies_more_often_than_it_may_fail_is_trained_in_ever_smaller_pieces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried, brought = tmp_path / "tried", {}
    pack = Pack(DIGITS, (ALONE, *OTHERS[:3]))

    def dies(*args: Any) -> History:
        import signal

        from trainables.halving import train_within_memory

        with tried.open("a") as file:
            file.write(f"{args[-1]} ")
        if len(tried.read_text().split()) <= TRIES:
            os.kill(os.getpid(), signal.SIGKILL)
        return train_within_memory(*args)

    monkeypatch.setattr("trainables.tune_adapter.train_within_memory", dies)
    digits = load_vectors("digits")
    failed = train_packs(
        [replace(GOOD, pack=pack)],
        {("digits", "mlp"): digits},
        CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0),
        0.0,
        lambda *_: None,
        lambda position, history, *_: brought.update({position: [points(history, k) for k in range(4)]}),
    )
    assert failed == []
    assert tried.read_text().split() == ["1", "1", "2", "4"]
    whole = train_pack(pack, digits)
    assert brought[0] == [points(whole, k) for k in range(4)]


def whole_study(storage: Path, name: str) -> int:
    """The command in this process, on this module's cluster: two packs of 3 runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("study.scheduling.connect", lambda address: None)
        patch.setattr("study.scheduling.disconnect", lambda: None)
        options = ["--miners", "hard", "--margins", "0.5", "--epochs", "2", "--seeds", "3", "--pack-size", "3"]
        return main(["--preset", "demo", "--datasets", "digits", *options, "--storage", str(storage), "--name", name])


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a study that nothing disturbed."""
    folder = tmp_path_factory.mktemp("results")
    assert whole_study(folder, "undisturbed") == 0
    return folder


def test_a_study_on_devices_without_room_for_its_packs_ends_with_the_same_results(
    monkeypatch: pytest.MonkeyPatch, storage: Path
) -> None:
    refused = storage / "refused"

    def short_of_memory(*args: Any) -> History:
        from unittest.mock import patch

        import torch

        from trainables.halving import train_within_memory
        from trainables.training import train_pack

        def limited(pack: Pack, *rest: Any) -> History:
            if len(pack.members) > 2:
                with refused.open("a") as file:
                    file.write(f"{len(pack.members)} ")
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return train_pack(pack, *rest)

        with patch("trainables.halving.train_pack", limited):
            return train_within_memory(*args)

    monkeypatch.setattr("trainables.tune_adapter.train_within_memory", short_of_memory)
    assert whole_study(storage, "short") == 0
    assert refused.read_text().split() == ["3", "3"]
    pd.testing.assert_frame_equal(load_study("short", storage), load_study("undisturbed", storage), check_exact=True)


def test_a_study_with_a_pack_that_always_fails_names_it_and_records_the_others(
    monkeypatch: pytest.MonkeyPatch, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = storage / "tried"

    def fails(pack: Pack, *args: Any) -> History:
        from trainables.halving import train_within_memory

        if pack.structure.loss == "triplet":
            with tried.open("a") as file:
                file.write("x")
            raise ValueError("broken\non purpose")
        return train_within_memory(pack, *args)

    monkeypatch.setattr("trainables.tune_adapter.train_within_memory", fails)
    assert whole_study(storage, "failing") == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert errors == ["error: the pack of 3 runs digits triplet hard failed: ValueError: broken on purpose"]
    assert len(tried.read_text()) == TRIES
    kept = load_study("undisturbed", storage).query("loss == 'contrastive'").reset_index(drop=True)
    found = load_study("failing", storage)
    pd.testing.assert_frame_equal(found, kept[found.columns], check_exact=True)
    assert (storage / "failing" / "report" / "report.html").is_file()
