"""A pack's data on its device, and the batches and draws of each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.datasets import Dataset, split_dataset
from trainables.miners import DRAWING_MINERS
from trainables.samplers import epoch_batches
from trainables.spec import Pack, Structure
from trainables.streams import stream


@dataclass(frozen=True)
class Part:
    """One part of the split of every member: positions [K, n] in the dataset."""

    positions: Tensor
    inputs: Tensor
    labels: Tensor

    def batch(self, columns: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Inputs [K, b, ...] and labels [K, b] at columns [K, b] (or a slice) of the positions."""
        at = self.positions[:, columns] if isinstance(columns, slice) else self.positions.gather(1, columns)
        return self.inputs[at], self.labels[at]


@dataclass(frozen=True)
class PackData:
    """The parts of a pack's members, and what draws their batches.

    Members of one seed share their streams; `rows` maps each member to its seed's row in `seeds`.
    """

    structure: Structure
    train: Part
    validation: Part
    test: Part
    seeds: tuple[int, ...]
    rows: Tensor
    train_labels: tuple[Tensor, ...]

    def batches(self, epoch: int, purpose: str = "batches") -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Inputs [K, B, ...], labels [K, B] and uniforms [K, B, B] (or None) of each step of an epoch.

        A function of (dataset, seed, epoch) for each member, never of loss, margin or learning rate.
        """
        name, device = self.structure.dataset, self.rows.device
        order = torch.stack(
            [
                epoch_batches(
                    self.structure.sampler,
                    labels,
                    self.structure.batch_size,
                    self.structure.samples_per_class,
                    stream(name, seed, purpose, epoch),
                )
                for seed, labels in zip(self.seeds, self.train_labels, strict=True)
            ]
        ).to(device)[self.rows]
        draws = [stream(name, seed, f"mining of {purpose}", epoch) for seed in self.seeds]
        for columns in order.unbind(1):
            inputs, labels = self.train.batch(columns)
            uniforms = None
            if self.structure.miner in DRAWING_MINERS:
                size = columns.shape[1]
                drawn = torch.stack([torch.rand(size, size, generator=generator) for generator in draws])
                uniforms = drawn.to(device)[self.rows]
            yield inputs, labels, uniforms


def place(pack: Pack, dataset: Dataset, device: torch.device) -> PackData:
    """Moves a dataset to the device and splits it for each member of a pack."""
    seeds = tuple(dict.fromkeys(member.seed for member in pack.members))
    splits = [split_dataset(dataset, seed) for seed in seeds]
    rows = torch.tensor([seeds.index(member.seed) for member in pack.members], device=device)
    inputs, labels = dataset.inputs.to(device), dataset.labels.to(device)

    def part(positions: list[Tensor]) -> Part:
        return Part(torch.stack(positions).to(device)[rows], inputs, labels)

    return PackData(
        structure=pack.structure,
        train=part([split.train for split in splits]),
        validation=part([split.validation for split in splits]),
        test=part([split.test for split in splits]),
        seeds=seeds,
        rows=rows,
        train_labels=tuple(dataset.labels[split.train] for split in splits),
    )
