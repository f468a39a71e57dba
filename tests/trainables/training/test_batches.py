"""Packs whose members have parts of different sizes."""

from __future__ import annotations

import torch

from tests.trainables.datasets.test_splits import uneven_labels
from trainables.datasets.splits import Dataset, make_dataset, split_dataset
from trainables.pack import Member, Pack, Structure
from trainables.training.loop import train_pack


def colliding_seeds(birds: Dataset) -> list[int]:
    """Two seeds whose validation parts have one size and largest classes of different sizes, and two others."""
    seeds_by_size: dict[int, dict[int, int]] = {}
    for seed in range(200):
        labels = birds.labels[split_dataset(birds, seed).validation]
        largest = int(labels.bincount().max())
        seeds_by_largest = seeds_by_size.setdefault(len(labels), {})
        seeds_by_largest.setdefault(largest, seed)
        if len(seeds_by_largest) > 1:
            return [*seeds_by_largest.values(), 1001, 1002]
    raise AssertionError("no two seeds collide")


def test_runs_on_a_class_disjoint_dataset_do_not_depend_on_their_pack() -> None:
    """Validation parts of several sizes, and two of one size, in one pack, alone, and in another order."""
    torch.set_num_threads(1)
    labels = uneven_labels(5, 24)
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(24, 10, generator=draw)[labels] + torch.randn(len(labels), 10, generator=draw)
    birds = make_dataset("birds", inputs, labels, "disjoint")
    seeds = colliding_seeds(birds)
    sizes = [len(split_dataset(birds, seed).validation) for seed in seeds]
    assert sizes[0] == sizes[1]
    assert len(set(sizes)) > 1
    for sampler in ("pk", "shuffle"):
        structure = Structure("birds", "mlp", "disjoint", "triplet", "semihard", 2, 16, sampler, 4, 12, False, False, 1)
        members = tuple(Member(0.5, 1e-3, seed) for seed in seeds)
        together = train_pack(Pack(structure, members), birds)
        backwards = train_pack(Pack(structure, members[::-1]), birds)
        for position, member in enumerate(members):
            alone = list(train_pack(Pack(structure, (member,)), birds).points(0))
            assert list(together.points(position)) == alone == list(backwards.points(3 - position))
            names = {name for name, _, _ in alone}
            assert {"val/map_at_r", "test/knn_accuracy", "val/linear_accuracy", "test/inter_variance"} <= names


def test_a_batch_larger_than_some_training_part_has_one_size_for_all_seeds() -> None:
    torch.set_num_threads(1)
    labels = uneven_labels(5, 12)
    inputs = torch.randn(len(labels), 10, generator=torch.Generator().manual_seed(0))
    birds = make_dataset("birds", inputs, labels, "disjoint")
    seeds = range(8)
    assert len({len(split_dataset(birds, seed).train) for seed in seeds}) > 1
    structure = Structure("birds", "mlp", "disjoint", "triplet", "all", 2, 512, "shuffle", 4, 12, False, False, 2)
    together = train_pack(Pack(structure, tuple(Member(0.5, 1e-3, seed) for seed in seeds)), birds)
    for seed in seeds:
        alone = train_pack(Pack(structure, (Member(0.5, 1e-3, seed),)), birds)
        assert list(alone.points(0)) == list(together.points(seed))
