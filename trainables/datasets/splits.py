"""A labelled dataset, and the part each sample plays for a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.datasets.digests import array_digest
from trainables.datasets.faults import DatasetError
from trainables.streams import stream

VALIDATION_SHARE = 0.25  # of what is not test data: of each class's samples, or (class-disjoint) of the classes
TEST_SHARE = 0.2  # of each class, where a closed split has no official test part
SPLITS = ("closed", "disjoint")


@dataclass(frozen=True)
class Dataset:
    """Samples in memory.

    Attributes:
        name: Its name in the study.
        inputs: [N, *input_shape] float32, or uint8 images [N, C, H, W].
        labels: [N] int64.
        split: ``"closed"``: every class is in every part; ``"disjoint"``: no class is in two.
        development: Positions that are divided into training and validation for each seed.
        test: Positions of the test part, the same for every seed: no seed may tune on another's test data. Samples in
            neither are images that are in one of them already.
        digest: Hash of what the inputs come from, the labels and the parts.
    """

    name: str
    inputs: Tensor
    labels: Tensor
    split: str
    development: Tensor
    test: Tensor
    digest: str


@dataclass(frozen=True)
class Split:
    """Positions in a dataset; the three parts are disjoint."""

    train: Tensor
    validation: Tensor
    test: Tensor


def make_dataset(
    name: str,
    inputs: Tensor,
    labels: Tensor,
    split: str,
    official_test: Tensor | None = None,
    twins: Sequence[Sequence[int]] = (),
    content: str | None = None,
) -> Dataset:
    """A dataset with its parts and its digest.

    Args:
        name: Its name in the study; random parts are drawn from a stream of that name.
        inputs: [N, ...].
        labels: [N], classes numbered in the dataset's own order.
        split: ``"closed"`` takes the official test part, or else a stratified random one; ``"disjoint"`` takes the
            second half of the classes, whatever is official.
        official_test: [N] bool.
        twins: Positions of images that are the same, those of one image together.
        content: What the inputs were made from, in a digest; where they were computed, their last digits depend on the
            machine. Their own digest if not given.

    Raises:
        DatasetError: If a part could not hold what its metrics need.
    """
    test = _test_part(name, labels, split, official_test)
    development = ~test & ~surplus_twins(twins, test)
    digest = hashlib.sha256((content or "").encode())
    for part in (labels, development, test) if content else (inputs, labels, development, test):
        digest.update(array_digest(part.numpy()).encode())
    dataset = Dataset(
        name,
        inputs,
        labels,
        split,
        development.nonzero().flatten(),
        test.nonzero().flatten(),
        digest.hexdigest()[:16],
    )
    _check_parts(dataset)
    return dataset


def training_classes(classes: int, split: str) -> int:
    """How many of a dataset's classes are trained on."""
    if split == "closed":
        return classes
    half = _first_half(classes)
    return half - _validation_classes(half)


def split_dataset(dataset: Dataset, seed: int) -> Split:
    """The split of one seed: its own validation part, the dataset's test part.

    In a closed split the validation part is stratified, and of the same size for every seed; in a class-disjoint one it
    is a random quarter of the classes that are not test classes.
    """
    positions = dataset.development
    labels = dataset.labels[positions]
    generator = stream(dataset.name, seed, "validation")
    if dataset.split == "closed":
        chosen = stratified(labels, VALIDATION_SHARE, generator)
    else:
        classes = labels.unique()
        drawn = torch.randperm(len(classes), generator=generator)[: _validation_classes(len(classes))]
        chosen = torch.isin(labels, classes[drawn])
    return Split(positions[~chosen], positions[chosen], dataset.test)


def epoch_samples(dataset: Dataset) -> int:
    """How many samples an epoch has: the same for every seed, whatever classes are its training classes."""
    if dataset.split == "closed":
        return len(split_dataset(dataset, 0).train)
    half = len(dataset.labels[dataset.development].unique())
    return round(len(dataset.development) * (1 - _validation_classes(half) / half))


def stratified(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A random part [N] bool with the same share of every class.

    How many samples of each class are in it depends on the labels alone, so every seed's parts are of one size. A class
    of two or more has at least one sample on either side.
    """
    shuffled = torch.randperm(len(labels), generator=generator)
    part = torch.zeros(len(labels), dtype=torch.bool)
    shuffled_labels = labels[shuffled]
    for label in labels.unique():
        members = shuffled[shuffled_labels == label]
        count = round(len(members) * share)
        part[members[: min(max(count, 1), len(members) - 1)]] = True
    return part


def surplus_twins(twins: Sequence[Sequence[int]], test: Tensor) -> Tensor:
    """Which images [N] bool must not be trained or validated on, so that no image is on two sides of any split.

    Of the images that are the same, the test part keeps those it has, and then no other may be used; else the first
    may.

    Args:
        twins: Positions of images that are the same, those of one image together.
        test: [N] bool.
    """
    surplus = torch.zeros(len(test), dtype=torch.bool)
    for group in twins:
        outside = [position for position in group if not test[position]]
        surplus[outside if len(outside) < len(group) else outside[1:]] = True
    return surplus


def _test_part(name: str, labels: Tensor, split: str, official: Tensor | None) -> Tensor:
    if split == "disjoint":
        return labels >= _first_half(int(labels.max()) + 1)
    return stratified(labels, TEST_SHARE, stream(name, None, "test")) if official is None else official


def _first_half(classes: int) -> int:
    return (classes + 1) // 2


def _validation_classes(half: int) -> int:
    return max(2, round(half * VALIDATION_SHARE))


def _check_parts(dataset: Dataset) -> None:
    """Every part needs two classes, and one with two samples; a class to train on cannot be new to the test part."""
    half = int(dataset.labels[dataset.development].unique().numel())
    if dataset.split == "disjoint" and half - _validation_classes(half) < 2:
        classes = dataset.labels.unique().numel()
        raise DatasetError(f"{dataset.name} has {classes} classes: a class-disjoint split needs at least 7")
    split = split_dataset(dataset, 0)
    for part, positions in (("training", split.train), ("validation", split.validation), ("test", split.test)):
        _, counts = dataset.labels[positions].unique(return_counts=True)
        if len(counts) < 2 or int(counts.max()) < 2:
            raise DatasetError(
                f"{dataset.name} is too small: its {part} part would hold {len(positions)} samples of {len(counts)} "
                "classes, and needs two classes, one of them with two samples"
            )
    _, counts = dataset.labels[split.train].unique(return_counts=True)
    if int(counts.median()) < 2:
        raise DatasetError(
            f"{dataset.name}: most of its classes have a single image to train on, which makes no pair: use --split "
            "disjoint, or give it more images of a class"
        )
    if dataset.split == "closed":
        unknown = ~torch.isin(dataset.labels[split.test], dataset.labels[split.train])
        if unknown.any():
            label = int(dataset.labels[split.test][unknown][0])
            raise DatasetError(
                f"{dataset.name}: class {label} (from 0) has test samples but none to train on: use --split disjoint, "
                "or give it training samples"
            )
