"""Packs on a real local Ray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray
import torch
from upath import UPath

from study.checkpoints import CheckpointFolder
from study.scheduling import ClusterError, connect, gpu_share, train_packs, workers
from tests.trainables.test_invariants import ALONE, DIGITS, points
from trainables.datasets import load_vectors
from trainables.history import History
from trainables.provenance import code_version
from trainables.snapshots import Snapshot, to_bytes
from trainables.spec import Pack
from trainables.training import train_pack
from trainables.tune_adapter import Order

GOOD = Order(Pack(DIGITS, (ALONE,)), "good", "version data key", code_version())
BAD = Order(Pack(replace(DIGITS, miner="no such miner"), (ALONE,)), "bad", "version data key", code_version())


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


def test_a_pack_that_always_fails_is_named_and_the_others_complete(tmp_path: Path) -> None:
    digits, brought = load_vectors("digits"), []
    failed = train_packs(
        [BAD, GOOD],
        {("digits", "mlp"): digits},
        CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0),
        0.0,
        lambda *_: None,
        lambda position, *_: brought.append(position),
    )
    assert brought == [1]
    assert [position for position, _ in failed] == [0]
    assert "no such miner" in failed[0][1]


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
