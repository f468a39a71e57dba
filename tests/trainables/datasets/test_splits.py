from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.datasets.errors import DatasetError
from trainables.datasets.registry import load_vectors
from trainables.datasets.splits import (
    Dataset,
    divide,
    epoch_samples,
    make_dataset,
    smallest_training_part,
    split_dataset,
    training_classes,
)


def dataset(labels: torch.Tensor, split: str, **options: object) -> Dataset:
    return make_dataset("birds", torch.zeros(len(labels), 2), labels, split, **options)  # type: ignore[arg-type]


def uneven_labels(seed: int, classes: int) -> torch.Tensor:
    counts = torch.randint(2, 30, (classes,), generator=torch.Generator().manual_seed(seed))
    return torch.arange(classes).repeat_interleave(counts)


def second_half(labels: torch.Tensor) -> torch.Tensor:
    return labels >= (int(labels.max()) + 2) // 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(7, 60), st.integers(0, 50), st.booleans())
def test_class_disjoint_parts_share_no_class(seed: int, classes: int, member: int, official: bool) -> None:
    labels = uneven_labels(seed, classes)
    test_part = second_half(labels) if official else None
    birds = dataset(labels, "disjoint", official_test=test_part)
    split = split_dataset(birds, member)
    train, validation, test = (set(birds.labels[part].tolist()) for part in (split.train, split.validation, split.test))
    assert train | validation | test == set(range(classes))
    assert len(train) + len(validation) + len(test) == classes
    assert len(test) == classes // 2
    assert len(train) == training_classes(labels, "disjoint", test_part)
    assert min(len(train), len(validation)) >= 2
    assert len(split.train) + len(split.validation) + len(split.test) == len(birds.labels)
    if official:
        assert test == set(range((classes + 1) // 2, classes))


@pytest.mark.parametrize("split", ["closed", "disjoint"])
def test_sentence_1_the_seed_draws_the_test_part_where_there_is_no_official_one(split: str) -> None:
    labels = torch.arange(40).repeat_interleave(10)
    official = torch.arange(400) % 5 == 0 if split == "closed" else second_half(labels)
    for test_part in (None, official):
        birds = dataset(labels, split, official_test=test_part)
        first, second = (split_dataset(birds, seed) for seed in (0, 1))
        assert birds.shares_test == (test_part is not None)
        assert torch.equal(first.test, second.test) == birds.shares_test
        assert not torch.equal(first.validation, second.validation)
        again = split_dataset(birds, 0)
        assert torch.equal(first.test, again.test)
        assert torch.equal(first.train, again.train)


def test_every_sample_is_in_the_test_part_of_some_seed() -> None:
    digits = load_vectors("digits")
    tested = torch.cat([split_dataset(digits, seed).test for seed in range(60)])
    assert len(tested.unique()) == len(digits.labels)


def test_the_length_of_an_epoch_does_not_depend_on_the_seed() -> None:
    labels = uneven_labels(3, 30)
    for test_part in (None, second_half(labels)):
        birds = dataset(labels, "disjoint", official_test=test_part)
        lengths = {len(split_dataset(birds, seed).train) for seed in range(20)}
        assert len(lengths) > 1
        assert min(lengths) < epoch_samples(birds) < max(lengths)
        assert smallest_training_part(birds) <= min(lengths)


def test_the_official_test_part_is_that_of_every_seed() -> None:
    official = torch.arange(80) % 10 < 3
    closed = dataset(torch.arange(8).repeat_interleave(10), "closed", official_test=official)
    for seed in range(3):
        assert torch.equal(split_dataset(closed, seed).test, official.nonzero().flatten())


def test_the_digest_tells_a_drawn_test_part_from_an_official_one() -> None:
    labels = torch.arange(8).repeat_interleave(10)
    parts = (None, torch.arange(80) % 10 < 3, torch.arange(80) % 10 > 6)
    assert len({dataset(labels, "closed", official_test=part).digest for part in parts}) == 3


def test_equal_images_are_never_in_different_parts() -> None:
    labels = torch.arange(8).repeat_interleave(10)
    official = torch.arange(80) % 10 < 3
    duplicates = [[0, 5], [13, 17, 18], [20, 21]]  # test and training; training; test
    birds = dataset(labels, "closed", official_test=official, duplicates=duplicates)
    for seed in range(5):
        split = split_dataset(birds, seed)
        used = set(torch.cat([split.train, split.validation, split.test]).tolist())
        assert used == set(range(80)) - {5, 17, 18}


@pytest.mark.parametrize("split", ["closed", "disjoint"])
def test_only_the_first_of_equal_images_is_used_where_seeds_draw_the_test_part(split: str) -> None:
    labels = torch.arange(8).repeat_interleave(10)
    birds = dataset(labels, split, duplicates=[[0, 5], [13, 27, 48]])
    for seed in range(5):
        parts = split_dataset(birds, seed)
        used = torch.cat([parts.train, parts.validation, parts.test]).tolist()
        assert sorted(used) == sorted(set(range(80)) - {5, 27, 48})


@pytest.mark.parametrize(
    ("labels", "split", "expected"),
    [
        (
            torch.arange(6).repeat_interleave(9),
            "disjoint",
            "birds has 6 classes: a class-disjoint split needs at least 7",
        ),
        (torch.arange(4).repeat_interleave(2), "closed", "birds is too small: its training part would hold 4 samples"),
        (torch.arange(9).repeat_interleave(7), "closed", "its test part would hold 9 samples of 9 classes"),
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


def test_an_official_class_disjoint_division_needs_classes_to_train_and_validate_on() -> None:
    labels = torch.arange(9).repeat_interleave(6)
    with pytest.raises(DatasetError, match=r"birds has 3 classes outside its test part: .* needs at least 4"):
        dataset(labels, "disjoint", official_test=labels > 2)


def test_closed_splits_are_stratified_and_of_one_size() -> None:
    digits = load_vectors("digits")
    first, second = split_dataset(digits, 0), split_dataset(digits, 1)
    for one, other in zip(vars(first).values(), vars(second).values(), strict=True):
        assert len(one) == len(other)
        assert not torch.equal(one, other)
    for split in (first, second):
        everything = torch.cat([split.train, split.validation, split.test])
        assert len(everything) == len(everything.unique()) == len(digits.labels)
        for part in (split.train, split.validation, split.test):
            shares = torch.bincount(digits.labels[part], minlength=10) / len(part)
            assert (shares - 0.1).abs().max() < 0.015


@pytest.mark.parametrize("split", ["closed", "disjoint"])
def test_parts_are_divided_and_checked_by_labels_alone(split: str) -> None:
    labels = torch.arange(8).repeat_interleave(10)
    official = second_half(labels) if split == "disjoint" else torch.arange(80) % 10 < 3
    for test_part in (None, official):
        birds = dataset(labels, split, official_test=test_part)
        division = divide("birds", labels, split, test_part)
        assert torch.equal(birds.divided, division.divided.nonzero().flatten())
        assert (birds.test is None) == (division.test is None) == (test_part is None)
    with pytest.raises(DatasetError, match=r"birds (has 1 classes|is too small)"):
        divide("birds", torch.zeros(50, dtype=torch.int64), split)
