"""What is new of a pack in training."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.trainables.test_invariants import ALONE, DIGITS, OTHERS
from trainables.datasets.registry import load_vectors
from trainables.pack import Pack
from trainables.training.live_points import LivePoints, NewPoints
from trainables.training.loop import train_pack
from trainables.training.within_memory import train_within_memory

PACK = Pack(DIGITS, (ALONE, *OTHERS[:2]))
Told = dict[tuple[int, str, int], float]


def collected(told: list[LivePoints]) -> Told:
    """The values by member, metric and epoch, each of which was told once."""
    found: Told = {}
    for points in told:
        for (metric, epoch), row in zip(points.keys, points.values, strict=True):
            for member, value in enumerate(row.tolist(), points.first):
                if math.isfinite(value):
                    assert (member, metric, epoch) not in found
                    found[member, metric, epoch] = value
    return found


@pytest.mark.parametrize("pieces", [1, 2])
def test_all_points_of_the_result_are_told_and_no_others(pieces: int) -> None:
    told: list[LivePoints] = []
    new = NewPoints(3)

    def on_epoch(epoch: int, snapshot: Any) -> None:
        told.extend(new.in_snapshot(snapshot()))
        assert list(new.in_snapshot(snapshot())) == []

    history = train_within_memory(PACK, load_vectors("digits"), on_epoch=on_epoch, pieces=pieces)
    found = collected(told)
    expected = {(member, *point[:2]): point[2] for member in range(3) for point in history.points(member)}
    assert found.items() <= expected.items()
    of_the_end = {(metric, epoch) for _, metric, epoch in expected.keys() - found.keys()}
    assert {epoch for _, epoch in of_the_end} == {DIGITS.epochs}
    assert {metric for metric, _ in of_the_end}.isdisjoint({"train/loss", "val/map_at_r", "test/map_at_r"})


def test_a_resumed_training_tells_all_and_a_diverged_member_nothing_from_then_on() -> None:
    diverging = replace(PACK, members=(ALONE, replace(ALONE, lr=1e30)))
    snapshots: list[Any] = []
    history = train_pack(diverging, load_vectors("digits"), on_epoch=lambda _, snapshot: snapshots.append(snapshot()))
    (end,) = {end for end in history.diverged if end is not None}
    told = list(NewPoints(2).in_snapshot(snapshots[-1]))
    found = collected(told)
    assert {epoch for member, _, epoch in found if member == 1} == set(range(end))
    assert {epoch for member, _, epoch in found if member == 0} == set(range(DIGITS.epochs + 1))


def test_to_tell_changes_no_result() -> None:
    torch.set_num_threads(1)
    new, digits = NewPoints(3), load_vectors("digits")

    def on_epoch(epoch: int, snapshot: Any) -> None:
        assert list(new.in_snapshot(snapshot()))

    watched = train_pack(PACK, digits, on_epoch=on_epoch)
    alone = train_pack(PACK, digits)
    assert [list(watched.points(member)) for member in range(3)] == [list(alone.points(member)) for member in range(3)]
