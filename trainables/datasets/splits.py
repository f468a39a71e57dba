"""A labelled dataset, and its training, validation and test parts for each seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.datasets.digests import array_digest
from trainables.datasets.errors import DatasetError
from trainables.random_streams import random_stream

VALIDATION_SHARE = 0.25  # of each class without its test samples; in a class-disjoint split, of the classes
TEST_SHARE = 0.2  # of each class, where each seed draws its own test part; in a class-disjoint split, half the classes
SPLITS = ("closed", "disjoint")
_DRAWN_TEST = f"each seed draws its own test part: {TEST_SHARE} of each class or half the classes"


@dataclass(frozen=True)
class Dataset:
    """Samples in memory.

    Attributes:
        name: Its name in the study.
        inputs: [N, *input_shape] float32, or uint8 images [N, C, H, W].
        labels: [N] int64.
        split: ``"closed"``: every class is in every part; ``"disjoint"``: no class is in two parts.
        divided: Positions of the samples that each seed divides: into training, validation, and test if `test` is None.
        test: Positions of the official test part, which all seeds share. None if there is none, so that each seed draws
            its own. A sample in neither is a duplicate of one that is used.
        digest: Hash of the source of the inputs, the labels and the parts. It is the same on every machine.
        inputs_digest: Hash of the inputs as they are in memory, whose last digits may differ between machines. Empty
            where `digest` determines every bit.
    """

    name: str
    inputs: Tensor
    labels: Tensor
    split: str
    divided: Tensor
    test: Tensor | None
    digest: str
    inputs_digest: str = ""

    @property
    def shares_test(self) -> bool:
        """Whether all seeds share one test part."""
        return self.test is not None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return tuple(self.inputs.shape[1:])


@dataclass(frozen=True)
class Split:
    """Positions in a dataset; the three parts are disjoint."""

    train: Tensor
    validation: Tensor
    test: Tensor

    def shifted(self, by: int) -> Split:
        """The same parts of a dataset whose samples come after so many others."""
        return Split(self.train + by, self.validation + by, self.test + by)


@dataclass(frozen=True)
class Division:
    """Which samples each seed divides, and which all seeds share as their test part.

    Attributes:
        divided: [N] bool.
        test: [N] bool; None if each seed draws its own test part.
    """

    divided: Tensor
    test: Tensor | None


def make_dataset(
    name: str,
    inputs: Tensor,
    labels: Tensor,
    split: str,
    official_test: Tensor | None = None,
    duplicates: Sequence[Sequence[int]] = (),
    source_digest: str | None = None,
) -> Dataset:
    """A dataset with its digest, ready to be split.

    Args:
        name: Its name in the study; random parts depend on it.
        inputs: [N, ...].
        labels: [N], see `divide`.
        split: See `divide`.
        official_test: [N] bool, see `divide`.
        duplicates: See `divide`.
        source_digest: Digest of what the inputs were made from; by default that of the inputs. Give it for computed
            inputs, because their last digits depend on the machine.

    Raises:
        DatasetError: If a part is too small for its metrics.
    """
    division = divide(name, labels, split, official_test, duplicates)
    digest = hashlib.sha256((source_digest or "").encode())
    arrays = [labels, division.divided] if source_digest else [inputs, labels, division.divided]
    for array in arrays if division.test is None else [*arrays, division.test]:
        digest.update(array_digest(array.numpy()).encode())
    if division.test is None:
        digest.update(_DRAWN_TEST.encode())
    return Dataset(
        name,
        inputs,
        labels,
        split,
        division.divided.nonzero().flatten(),
        None if division.test is None else division.test.nonzero().flatten(),
        digest.hexdigest()[:16],
        array_digest(inputs.numpy())[:16],
    )


def divide(
    name: str,
    labels: Tensor,
    split: str,
    official_test: Tensor | None = None,
    duplicates: Sequence[Sequence[int]] = (),
) -> Division:
    """Says which samples each seed divides, and checks the size of every part.

    It needs the labels only, so it can check a dataset before its inputs are made.

    Args:
        name: The dataset's name in the study; random parts depend on it.
        labels: [N], classes numbered in the dataset's own order.
        split: ``"closed"``: every class is in every part. ``"disjoint"``: no class is in two parts.
        official_test: [N] bool, the test part that all seeds share. None: each seed draws its own, a stratified one in
            a closed split, half the classes in a class-disjoint one.
        duplicates: Groups of positions of equal images.

    Raises:
        DatasetError: If a part is too small for its metrics.
    """
    if official_test is None:
        divided = ~surplus_duplicates(duplicates, torch.zeros(len(labels), dtype=torch.bool))
    else:
        divided = ~official_test & ~surplus_duplicates(duplicates, official_test)
    division = Division(divided, official_test)
    _check_sizes(name, labels, split, division)
    return division


def training_classes(labels: Tensor, split: str, official_test: Tensor | None = None) -> int:
    """How many of a dataset's classes are used for training; the arguments are those of `divide`."""
    classes = len((labels if official_test is None else labels[~official_test]).unique())
    return classes if split == "closed" else _training_classes(classes, official_test is None)


def split_dataset(dataset: Dataset, seed: int) -> Split:
    """The split of one seed.

    The test part is the dataset's, or drawn by the seed where there is none. The seed then draws the validation part
    of the rest. In a closed split both draws are stratified, and have the same sizes for every seed. In a
    class-disjoint split the test part is half of the classes, and the validation part a random quarter of the rest.
    """
    return _split(dataset.name, dataset.labels, dataset.split, dataset.divided, dataset.test, seed)


def epoch_samples(dataset: Dataset) -> int:
    """How many samples an epoch has. It is the same for every seed, also where training parts differ in size."""
    if dataset.split == "closed":
        return len(split_dataset(dataset, 0).train)
    classes = len(dataset.labels[dataset.divided].unique())
    others = classes - _training_classes(classes, not dataset.shares_test)
    return round(len(dataset.divided) * (1 - others / classes))


def smallest_training_part(dataset: Dataset) -> int:
    """How many samples a seed of a class-disjoint dataset has for training at least: those of the smallest classes."""
    counts = dataset.labels[dataset.divided].unique(return_counts=True)[1]
    return int(counts.sort().values[: _training_classes(len(counts), not dataset.shares_test)].sum())


def stratified(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A random part [N] bool with the same share of every class.

    The number of samples from each class depends on the labels only, so the part has the same size for every seed. A
    class of two or more samples has at least one inside the part and one outside.
    """
    shuffled = torch.randperm(len(labels), generator=generator)
    part = torch.zeros(len(labels), dtype=torch.bool)
    shuffled_labels = labels[shuffled]
    for label in labels.unique():
        members = shuffled[shuffled_labels == label]
        count = round(len(members) * share)
        part[members[: min(max(count, 1), len(members) - 1)]] = True
    return part


def surplus_duplicates(duplicates: Sequence[Sequence[int]], test: Tensor) -> Tensor:
    """Images [N] bool that no seed may divide, so that equal images never fall in different parts.

    Where some of the equal images are in the official test part, all others are left out. Otherwise all but the first
    are.

    Args:
        duplicates: Groups of positions of equal images.
        test: [N] bool, the official test part.
    """
    surplus = torch.zeros(len(test), dtype=torch.bool)
    for group in duplicates:
        outside = [position for position in group if not test[position]]
        surplus[outside if len(outside) < len(group) else outside[1:]] = True
    return surplus


def _split(name: str, labels: Tensor, split: str, divided: Tensor, test: Tensor | None, seed: int) -> Split:
    """The split of one seed; all positions are in the dataset."""
    rest = divided
    if test is None:
        rest, test = _draw(labels, rest, split, random_stream(name, seed, "test"), TEST_SHARE, _test_classes)
    generator = random_stream(name, seed, "validation")
    train, validation = _draw(labels, rest, split, generator, VALIDATION_SHARE, _validation_classes)
    return Split(train, validation, test)


def _draw(
    labels: Tensor,
    positions: Tensor,
    split: str,
    generator: torch.Generator,
    share: float,
    count: Callable[[int], int],
) -> tuple[Tensor, Tensor]:
    """Parts some positions into the rest and a random part: a share of each class, or a count of so many classes."""
    labels = labels[positions]
    if split == "closed":
        part = stratified(labels, share, generator)
    else:
        classes = labels.unique()
        part = torch.isin(labels, classes[torch.randperm(len(classes), generator=generator)[: count(len(classes))]])
    return positions[~part], positions[part]


def _test_classes(classes: int) -> int:
    """How many classes a seed draws for the test: half of them."""
    return classes // 2


def _validation_classes(classes: int) -> int:
    """How many of the classes that are not for the test are for validation."""
    return max(2, round(classes * VALIDATION_SHARE))


def _training_classes(divided: int, draws_test: bool) -> int:
    """How many of the classes that each seed divides are for training."""
    rest = divided - _test_classes(divided) if draws_test else divided
    return rest - _validation_classes(rest)


def _check_sizes(name: str, labels: Tensor, split: str, division: Division) -> None:
    """Every part needs two classes, one of them with two samples. A closed split needs training samples of each class.

    Raises:
        DatasetError: If one of these is missing.
    """
    classes = len(labels[division.divided].unique())
    if split == "disjoint" and _training_classes(classes, division.test is None) < 2:
        where, least = ("", 7) if division.test is None else (" outside its test part", 4)
        raise DatasetError(f"{name} has {classes} classes{where}: a class-disjoint split needs at least {least}")
    divided = division.divided.nonzero().flatten()
    official = None if division.test is None else division.test.nonzero().flatten()
    parts = _split(name, labels, split, divided, official, seed=0)
    for part, positions in (("training", parts.train), ("validation", parts.validation), ("test", parts.test)):
        _, counts = labels[positions].unique(return_counts=True)
        if len(counts) < 2 or int(counts.max()) < 2:
            raise DatasetError(
                f"{name} is too small: its {part} part would hold {len(positions)} samples of {len(counts)} "
                "classes, and needs two classes, one of them with two samples"
            )
    _, counts = labels[parts.train].unique(return_counts=True)
    if int(counts.median()) < 2:
        raise DatasetError(
            f"{name}: most of its classes have a single image to train on, which makes no pair: use --split "
            "disjoint, or give it more images of a class"
        )
    if split == "closed":
        unknown = ~torch.isin(labels[parts.test], labels[parts.train])
        if unknown.any():
            label = int(labels[parts.test][unknown][0])
            raise DatasetError(
                f"{name}: class {label} (from 0) has test samples but none to train on: use --split disjoint, "
                "or give it training samples"
            )
