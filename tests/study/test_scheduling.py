"""Packs on a real local Ray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray
import torch

from study.scheduling import ClusterError, connect, train_packs, workers
from tests.trainables.test_invariants import ALONE, DIGITS, points
from trainables.datasets import load_vectors
from trainables.history import History
from trainables.spec import Pack
from trainables.training import train_pack

GOOD = Pack(DIGITS, (ALONE,))
BAD = Pack(replace(DIGITS, miner="no such miner"), (ALONE,))


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    connect(None)
    yield
    ray.shutdown()


def test_a_pack_on_ray_brings_what_it_brings_without(tmp_path: Path) -> None:
    digits, brought = load_vectors("digits"), {}
    torch.set_num_threads(1)

    def keep(position: int, history: History, seconds: float) -> None:
        brought[position] = points(history, 0)

    assert train_packs([GOOD, GOOD], {("digits", "mlp"): digits}, tmp_path / "ray", 1.0, lambda *_: None, keep) == []
    assert brought[0] == brought[1] == points(train_pack(GOOD, digits), 0)
    assert not (tmp_path / "ray").exists()


def test_a_pack_that_always_fails_is_named_and_the_others_complete(tmp_path: Path) -> None:
    digits, brought = load_vectors("digits"), []
    failed = train_packs(
        [BAD, GOOD],
        {("digits", "mlp"): digits},
        tmp_path / "ray",
        1.0,
        lambda *_: None,
        lambda position, *_: brought.append(position),
    )
    assert brought == [1]
    assert [position for position, _ in failed] == [0]
    assert "no such miner" in failed[0][1]


def test_a_full_disk_ends_the_study_with_its_own_error(tmp_path: Path) -> None:
    def keep(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        train_packs([GOOD], {("digits", "mlp"): load_vectors("digits")}, tmp_path / "ray", 1.0, lambda *_: None, keep)


def test_workers_are_cores_where_there_is_no_gpu() -> None:
    assert workers(1.0) == (ray.cluster_resources().get("GPU") or int(ray.cluster_resources()["CPU"]))


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1:9", "nobody listens"), ("ray://127.0.0.1:9", "Ray Client's address")]
)
def test_an_address_that_cannot_serve_is_said_at_once(address: str, expected: str) -> None:
    with pytest.raises(ClusterError, match=expected):
        connect(address)
