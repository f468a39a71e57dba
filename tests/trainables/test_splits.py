from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.datasets import Dataset, DatasetError, epoch_samples, make_dataset, split_dataset
from trainables.datasets.splits import training_classes
from trainables.spec import Member, Pack, Structure
from trainables.training import train_pack


def dataset(labels: torch.Tensor, split: str, **options: object) -> Dataset:
    return make_dataset("birds", torch.zeros(len(labels), 2), labels, split, **options)  # type: ignore[arg-type]


def uneven_labels(seed: int, classes: int) -> torch.Tensor:
    counts = torch.randint(2, 30, (classes,), generator=torch.Generator().manual_seed(seed))
    return torch.arange(classes).repeat_interleave(counts)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(7, 60), st.integers(0, 50))
def test_class_disjoint_parts_share_no_class(seed: int, classes: int, member: int) -> None:
    birds = dataset(uneven_labels(seed, classes), "disjoint")
    split = split_dataset(birds, member)
    train, validation, test = (set(birds.labels[part].tolist()) for part in (split.train, split.validation, split.test))
    assert train | validation == set(range((classes + 1) // 2))  # the first half of the classes
    assert test == set(range((classes + 1) // 2, classes))
    assert not train & validation
    assert len(train) == training_classes(classes, "disjoint")
    assert min(len(train), len(validation)) >= 2
    assert len(split.train) + len(split.validation) + len(split.test) == len(birds.labels)


def test_the_seed_decides_the_validation_classes_and_nothing_of_the_test_part() -> None:
    birds = dataset(torch.arange(40).repeat_interleave(5), "disjoint")
    splits = [split_dataset(birds, seed) for seed in (0, 1)]
    assert not torch.equal(splits[0].validation, splits[1].validation)
    assert torch.equal(splits[0].test, splits[1].test)


def test_the_length_of_an_epoch_does_not_depend_on_the_seed() -> None:
    birds = dataset(uneven_labels(3, 30), "disjoint")
    lengths = {len(split_dataset(birds, seed).train) for seed in range(20)}
    assert len(lengths) > 1
    assert min(lengths) < epoch_samples(birds) < max(lengths)


def test_the_official_test_part_is_taken_in_a_closed_split_alone() -> None:
    labels = torch.arange(8).repeat_interleave(10)
    official = torch.arange(80) % 10 < 3
    closed = dataset(labels, "closed", official_test=official)
    assert torch.equal(closed.test, official.nonzero().flatten())
    disjoint = dataset(labels, "disjoint", official_test=official)
    assert disjoint.test.tolist() == list(range(40, 80))
    assert len(dataset(labels, "closed").test) == 16


def test_an_image_that_is_there_twice_is_on_one_side_only() -> None:
    labels = torch.arange(8).repeat_interleave(10)
    official = torch.arange(80) % 10 < 3
    twins = [[0, 5], [13, 17, 18], [20, 21]]  # test and training; training; test
    birds = dataset(labels, "closed", official_test=official, twins=twins)
    for seed in range(5):
        split = split_dataset(birds, seed)
        used = set(torch.cat([split.train, split.validation, split.test]).tolist())
        assert used == set(range(80)) - {5, 17, 18}


@pytest.mark.parametrize(
    ("labels", "split", "expected"),
    [
        (
            torch.arange(6).repeat_interleave(9),
            "disjoint",
            "birds has 6 classes: a class-disjoint split needs at least 7",
        ),
        (torch.arange(4).repeat_interleave(2), "closed", "birds is too small: its training part would hold 4 samples"),
        (torch.zeros(50, dtype=torch.int64), "closed", "needs two classes"),
    ],
)
def test_a_dataset_that_is_too_small_is_named(labels: torch.Tensor, split: str, expected: str) -> None:
    with pytest.raises(DatasetError, match=expected):
        dataset(labels, split)


def test_classes_with_one_image_to_train_on_make_no_pairs() -> None:
    labels = torch.cat([torch.arange(20).repeat_interleave(3), torch.full((9,), 20), torch.full((9,), 21)])
    with pytest.raises(DatasetError, match="most of its classes have a single image to train on"):
        dataset(labels, "closed")


def test_test_samples_of_a_class_without_training_samples_are_named() -> None:
    labels = torch.arange(3).repeat_interleave(20)
    with pytest.raises(DatasetError, match=r"class 2 .* none to train on: use --split disjoint"):
        dataset(labels, "closed", official_test=(torch.arange(60) % 4 == 0) | (labels == 2))


def colliding_seeds(birds: Dataset) -> list[int]:
    """Two seeds whose validation parts have one size and largest classes of different sizes, and two others."""
    found: dict[int, dict[int, int]] = {}
    for seed in range(200):
        labels = birds.labels[split_dataset(birds, seed).validation]
        largest = int(labels.bincount().max())
        alike = found.setdefault(len(labels), {})
        alike.setdefault(largest, seed)
        if len(alike) > 1:
            return [*alike.values(), 1001, 1002]
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
