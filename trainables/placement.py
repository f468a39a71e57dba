"""A pack's data on its device, and the batches and draws of each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.augmentation import crop_and_flip, draw_crops
from trainables.datasets import Dataset, epoch_samples, split_dataset
from trainables.miners import DRAWING_MINERS
from trainables.samplers import epoch_batches
from trainables.spec import Pack, Structure
from trainables.streams import stream


@dataclass(frozen=True)
class Part:
    """One part of the split, for some members of a pack, of the same size for each.

    Attributes:
        members: [k] which members.
        positions: [k, n] in the dataset.
        labels: [k, n] from 0; in a class-disjoint split they number the part's own classes.
        inputs: [N, ...] of the dataset.
    """

    members: Tensor
    positions: Tensor
    labels: Tensor
    inputs: Tensor

    def batch(self, columns: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Inputs [k, b, ...] float32 and labels [k, b] at columns [k, b] (or a slice) of the part."""
        if isinstance(columns, slice):
            return _as_floats(self.inputs[self.positions[:, columns]]), self.labels[:, columns]
        return _as_floats(self.inputs[self.positions.gather(1, columns)]), self.labels.gather(1, columns)


@dataclass(frozen=True)
class PackData:
    """The parts of a pack's members, and what draws their batches.

    Members of one seed share their streams; `rows` maps each member to its seed's row in `seeds`. Where the parts of
    seeds differ in size (class-disjoint splits), members of equal size stand together in one `Part`; a training part
    is filled up to the longest, with samples that no batch draws.
    """

    structure: Structure
    train: Part
    validation: tuple[Part, ...]
    test: tuple[Part, ...]
    seeds: tuple[int, ...]
    rows: Tensor
    train_labels: tuple[Tensor, ...]
    epoch_samples: int

    def batches(self, epoch: int, purpose: str = "batches") -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Inputs [K, B, ...], labels [K, B] and uniforms [K, B, B] (or None) of each step of an epoch.

        A function of (dataset, seed, epoch) for each member, never of loss, margin or learning rate.
        """
        name, device = self.structure.dataset, self.rows.device
        order = self._order(epoch, purpose).to(device)[self.rows]
        draws = [stream(name, seed, f"mining of {purpose}", epoch) for seed in self.seeds]
        crops = [stream(name, seed, f"augmentation of {purpose}", epoch) for seed in self.seeds]
        for columns in order.unbind(1):
            inputs, labels = self.train.batch(columns)
            size = columns.shape[1]
            if self.structure.augment and purpose == "batches":
                drawn = torch.stack([draw_crops(size, generator) for generator in crops])
                inputs = crop_and_flip(inputs, drawn.to(device)[self.rows])
            uniforms = None
            if self.structure.miner in DRAWING_MINERS:
                drawn = torch.stack([torch.rand(size, size, generator=generator) for generator in draws])
                uniforms = drawn.to(device)[self.rows]
            yield inputs, labels, uniforms

    def _order(self, epoch: int, purpose: str) -> Tensor:
        """Columns [seeds, steps, B] of the training part."""
        structure = self.structure
        orders = [
            epoch_batches(
                structure.sampler,
                labels,
                structure.batch_size,
                structure.samples_per_class,
                stream(structure.dataset, seed, purpose, epoch),
                self.epoch_samples,
            )
            for seed, labels in zip(self.seeds, self.train_labels, strict=True)
        ]
        return torch.stack(orders)


def place(pack: Pack, dataset: Dataset, device: torch.device) -> PackData:
    """Moves a dataset to the device and splits it for each member of a pack."""
    seeds = tuple(dict.fromkeys(member.seed for member in pack.members))
    splits = [split_dataset(dataset, seed) for seed in seeds]
    rows = torch.tensor([seeds.index(member.seed) for member in pack.members])
    inputs = dataset.inputs.to(device)

    def parts(positions: Sequence[Tensor]) -> tuple[Part, ...]:
        """Members whose parts have one size and number of classes together, in the order in which those come first."""
        sizes = [(len(part), len(dataset.labels[part].unique())) for part in positions]
        return tuple(
            _part(dataset, positions, [row for row, mine in enumerate(sizes) if mine == size], rows, inputs)
            for size in dict.fromkeys(sizes)
        )

    train = [split.train for split in splits]
    longest = max(len(part) for part in train)
    filled = [torch.cat([part, part[:1].expand(longest - len(part))]) for part in train]
    return PackData(
        structure=pack.structure,
        train=_part(dataset, filled, list(range(len(seeds))), rows, inputs),
        validation=parts([split.validation for split in splits]),
        test=parts([split.test for split in splits]),
        seeds=seeds,
        rows=rows.to(device),
        train_labels=tuple(dataset.labels[part] for part in train),
        epoch_samples=epoch_samples(dataset),
    )


def _part(dataset: Dataset, positions: Sequence[Tensor], chosen: list[int], rows: Tensor, inputs: Tensor) -> Part:
    members = torch.isin(rows, torch.tensor(chosen)).nonzero().flatten()
    labels = [_labels(dataset, part) for part in positions]
    stacked = [torch.stack([values[row] for row in rows[members].tolist()]) for values in (positions, labels)]
    device = inputs.device
    return Part(members.to(device), stacked[0].to(device), stacked[1].to(device), inputs)


def _labels(dataset: Dataset, positions: Tensor) -> Tensor:
    labels = dataset.labels[positions]
    return labels if dataset.split == "closed" else labels.unique(return_inverse=True)[1]


def _as_floats(inputs: Tensor) -> Tensor:
    """Images of bytes as numbers between 0 and 1."""
    return inputs.float().div_(255.0) if inputs.dtype == torch.uint8 else inputs
