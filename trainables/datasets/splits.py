"""A labelled dataset, and the part each sample plays for a seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.streams import stream

VALIDATION_SHARE = 0.25  # of what is not test data


@dataclass(frozen=True)
class Dataset:
    """Samples in memory.

    Attributes:
        name: Its name in the study.
        inputs: [N, *input_shape] float32.
        labels: [N] int64.
        test: Positions of the test part, the same for every seed: no seed may tune on another's test data.
        digest: Hash of the inputs, labels and test part.
    """

    name: str
    inputs: Tensor
    labels: Tensor
    test: Tensor
    digest: str


@dataclass(frozen=True)
class Split:
    """Positions in a dataset; the three parts are disjoint and cover it."""

    train: Tensor
    validation: Tensor
    test: Tensor


def make_dataset(name: str, inputs: Tensor, labels: Tensor, test: Tensor) -> Dataset:
    """A dataset with its digest."""
    digest = hashlib.sha256()
    for part in (inputs, labels, test):
        digest.update(part.contiguous().numpy().tobytes())
    return Dataset(name, inputs, labels, test, digest.hexdigest()[:16])


def stratified(labels: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Positions of a random part with the same share of every class, and those of the rest; both ascending.

    How many samples of each class go to the part depends on the labels alone, so every seed's parts are of one size.
    """
    shuffled = torch.randperm(len(labels), generator=generator)
    chosen = []
    for label in labels.unique():
        members = shuffled[labels[shuffled] == label]
        chosen.append(members[: round(len(members) * share)])
    part = torch.cat(chosen).sort().values
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[part] = False
    return part, rest.nonzero().flatten()


def split_dataset(dataset: Dataset, seed: int) -> Split:
    """The split of one seed: its own stratified validation part, the dataset's test part."""
    development = torch.ones(len(dataset.labels), dtype=torch.bool)
    development[dataset.test] = False
    positions = development.nonzero().flatten()
    generator = stream(dataset.name, seed, "validation")
    validation, train = stratified(dataset.labels[positions], VALIDATION_SHARE, generator)
    return Split(positions[train], positions[validation], dataset.test)
