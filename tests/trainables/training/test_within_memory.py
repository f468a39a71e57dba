"""Packs that do not fit into memory; the tests make it run out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

import trainables.training.within_memory
from tests.trainables.test_invariants import ALONE, DIGITS, OTHERS, points
from trainables.datasets.registry import load_vectors
from trainables.datasets.splits import Dataset
from trainables.devices import release_memory
from trainables.pack import Pack
from trainables.training.history import History
from trainables.training.loop import train_pack
from trainables.training.snapshots import Snapshot, from_bytes, to_bytes
from trainables.training.within_memory import train_within_memory

PACK = Pack(DIGITS, (ALONE, *OTHERS[:4]))
SHORTAGES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
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

    monkeypatch.setattr(trainables.training.within_memory, "train_pack", train)
    return tried


@pytest.mark.parametrize("error", SHORTAGES, ids=["cuda", "cpu", "cudnn", "python"])
def test_a_pack_that_does_not_fit_is_halved_until_it_fits_with_the_same_results(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    torch.set_num_threads(1)
    digits = load_vectors("digits")
    undivided = train_pack(PACK, digits)
    tried = short_of_memory(monkeypatch, 2, error)
    halves = train_within_memory(PACK, digits)
    assert tried == [5, 2, 3, 1, 2]
    for member in range(5):
        assert points(halves, member) == points(undivided, member)
    assert halves.sketches == undivided.sketches


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


def snapshots_of(pack: Pack, dataset: Dataset, **options: Any) -> tuple[History, list[tuple[int, Snapshot]]]:
    """The result of a training, and each epoch with the snapshot after it, as it is read again."""
    taken: list[tuple[int, Snapshot]] = []

    def keep(epoch: int, snapshot: Callable[[], Snapshot]) -> None:
        taken.append((epoch, from_bytes(to_bytes(snapshot(), "key"), "key")))

    return train_within_memory(pack, dataset, on_epoch=keep, **options), taken


def test_halves_go_on_from_every_snapshot_with_the_same_results(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    digits = load_vectors("digits")
    undivided = train_pack(PACK, digits)
    short_of_memory(monkeypatch, 2, SHORTAGES[0])
    _, taken = snapshots_of(PACK, digits)
    assert [epoch for epoch, _ in taken] == [*range(DIGITS.epochs + 1)] * 3  # of 2, 1 and 2 members
    for most in (2, 5):  # as short of memory as before, or no longer
        tried = short_of_memory(monkeypatch, most, SHORTAGES[0])
        for _, snapshot in taken[1::2]:
            resumed = train_within_memory(PACK, digits, resume=snapshot)
            assert [points(resumed, member) for member in range(5)] == [points(undivided, k) for k in range(5)]
            assert resumed.sketches == undivided.sketches
        assert 5 not in tried, "what was halved stays so"


def test_a_pack_that_is_halved_later_goes_on_from_its_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    digits = load_vectors("digits")
    undivided, taken = snapshots_of(PACK, digits)
    _, snapshot = taken[2]
    for pieces, most in ((4, 5), (1, 2)):
        short_of_memory(monkeypatch, most, SHORTAGES[0])
        resumed, later = snapshots_of(PACK, digits, resume=snapshot, pieces=pieces)
        assert [points(resumed, member) for member in range(5)] == [points(undivided, k) for k in range(5)]
        assert min(epoch for epoch, _ in later) == 2


@pytest.mark.gpu
def test_a_gpu_that_is_almost_full_trains_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has more memory than half of the pack needs, and less than the whole."""
    digits, members = load_vectors("digits"), tuple(replace(ALONE, seed=seed) for seed in range(64))
    needed, histories = [], []
    for size in (32, 64):
        release_memory()
        torch.cuda.reset_peak_memory_stats()
        histories.append(train_pack(Pack(DIGITS, members[:size]), digits, "cuda"))
        needed.append(torch.cuda.max_memory_allocated())
    assert needed[1] > 1.2 * needed[0]
    release_memory()
    tried = short_of_memory(monkeypatch, 64, SHORTAGES[0])
    _, all_memory = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(sum(needed) / 2 / all_memory)
    try:
        halves = train_within_memory(Pack(DIGITS, members), digits, "cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert tried[0] == 64
    assert len(tried) >= 3, "the whole, and its halves at least"
    assert halves.members == 64
    for member in (0, 63):
        loss = points(halves, member)["train/loss", 1]
        assert loss == pytest.approx(points(histories[1], member)["train/loss", 1], rel=1e-3)
