"""Packs that do not fit the memory, which runs out here on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import trainables.halving
from tests.trainables.test_invariants import ALONE, DIGITS, OTHERS, points
from trainables.datasets import load_vectors
from trainables.halving import train_within_memory
from trainables.history import History
from trainables.snapshots import Snapshot
from trainables.spec import Pack
from trainables.training import train_pack

PACK = Pack(DIGITS, (ALONE, *OTHERS[:4]))
SHORTAGES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int, error: BaseException) -> list[int]:
    """Lets packs of more than `most` members fail, and lists the sizes that are tried."""
    tried: list[int] = []

    def train(pack: Pack, *args: Any) -> History:
        tried.append(len(pack.members))
        if len(pack.members) > most:
            raise error
        return train_pack(pack, *args)

    monkeypatch.setattr(trainables.halving, "train_pack", train)
    return tried


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: type(error).__name__)
def test_a_pack_without_room_is_halved_until_it_fits_and_ends_with_the_same_results(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    torch.set_num_threads(1)
    digits = load_vectors("digits")
    whole = train_pack(PACK, digits)
    tried = short_of_memory(monkeypatch, 2, error)
    halves = train_within_memory(PACK, digits)
    assert tried == [5, 2, 3, 1, 2]
    for member in range(5):
        assert points(halves, member) == points(whole, member)
    assert halves.sketches == whole.sketches


def test_one_member_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = short_of_memory(monkeypatch, 0, SHORTAGES[0])
    with pytest.raises(torch.OutOfMemoryError):
        train_within_memory(PACK, load_vectors("digits"))
    assert tried == [5, 2, 1]


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = short_of_memory(monkeypatch, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        train_within_memory(PACK, load_vectors("digits"))
    assert tried == [5]


def test_a_half_leaves_no_snapshot_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    short_of_memory(monkeypatch, 3, SHORTAGES[0])
    seen: list[Callable[[], Snapshot] | None] = []
    train_within_memory(PACK, load_vectors("digits"), on_epoch=lambda _, snapshot: seen.append(snapshot))
    assert seen
    assert set(seen) == {None}


@pytest.mark.gpu
def test_a_gpu_that_is_almost_full_trains_in_halves() -> None:
    torch.cuda.set_per_process_memory_fraction(0.002)
    try:
        pack = Pack(DIGITS, tuple(OTHERS[:15]))
        halves = train_within_memory(pack, load_vectors("digits"), "cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert halves.members == 15
