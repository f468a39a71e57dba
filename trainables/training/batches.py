"""The data of a pack on its device, and the batches of each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trainables.datasets.splits import Dataset, Split, epoch_samples, smallest_training_part, split_dataset
from trainables.datasets.synthetic import AnyDataset
from trainables.devices import send
from trainables.objectives.miners import RANDOM_MINERS
from trainables.pack import Pack, Structure
from trainables.random_streams import random_stream
from trainables.training.augmentation import crop_and_flip, draw_crops
from trainables.training.samplers import epoch_batches


@dataclass(frozen=True)
class Part:
    """A part of the split (training, validation or test) for members whose parts have one size.

    Attributes:
        members: [k] positions of the members in the pack.
        positions: [k, n] in `inputs`.
        labels: [k, n] from 0; in a class-disjoint split only the classes of the part are counted.
        inputs: [N, ...] of the dataset, or of all draws of the pack's seeds; all members share them.
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
    """The parts of a pack's members, and their batches.

    Members with the same seed get the same batches. In a class-disjoint split, the parts of two seeds may differ in
    size. Then the validation and test parts of one size form one `Part`. A shorter training part is padded with samples
    that no batch uses.

    Attributes:
        structure: Of the pack.
        train: The training part of all members.
        validation: The validation parts; each member is in one.
        test: The test parts; each member is in one.
        seeds: The different seeds of the members.
        seed_rows: [K] position of each member's seed in `seeds`.
        train_labels: The training labels of each seed, without padding.
        epoch_samples: Samples of an epoch, the same for every seed.
        batch_size: Largest size of a batch; no seed may have fewer training samples than a shuffled batch.
    """

    structure: Structure
    train: Part
    validation: tuple[Part, ...]
    test: tuple[Part, ...]
    seeds: tuple[int, ...]
    seed_rows: Tensor
    train_labels: tuple[Tensor, ...]
    epoch_samples: int
    batch_size: int

    def batches(self, epoch: int, purpose: str = "batches") -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Inputs [K, B, ...], labels [K, B] and random numbers [K, B, B] (or None) of each step of an epoch.

        For one sampler, they depend on the seed and the epoch only, never on loss, margin or learning rate.
        """
        name, device = self.structure.dataset, self.seed_rows.device
        steps = send(self._steps(epoch, purpose), device)[self.seed_rows]
        mining_streams = [random_stream(name, seed, f"mining of {purpose}", epoch) for seed in self.seeds]
        crop_streams = [random_stream(name, seed, f"augmentation of {purpose}", epoch) for seed in self.seeds]
        for columns in steps.unbind(1):
            inputs, labels = self.train.batch(columns)
            size = columns.shape[1]
            if self.structure.augment and purpose == "batches":
                drawn = torch.stack([draw_crops(size, generator) for generator in crop_streams])
                inputs = crop_and_flip(inputs, send(drawn, device)[self.seed_rows])
            uniforms = None
            if self.structure.miner in RANDOM_MINERS:
                drawn = torch.stack([torch.rand(size, size, generator=generator) for generator in mining_streams])
                uniforms = send(drawn, device)[self.seed_rows]
            yield inputs, labels, uniforms

    def _steps(self, epoch: int, purpose: str) -> Tensor:
        """The batch of each step, as columns [seeds, steps, B] of the training part."""
        structure = self.structure
        steps = [
            epoch_batches(
                structure.sampler,
                labels,
                self.batch_size,
                structure.samples_per_class,
                random_stream(structure.dataset, seed, purpose, epoch),
                self.epoch_samples,
            )
            for seed, labels in zip(self.seeds, self.train_labels, strict=True)
        ]
        return torch.stack(steps)


def load_pack_data(pack: Pack, dataset: AnyDataset, device: torch.device) -> PackData:
    """Moves a dataset to the device, and splits it for each member of a pack. What a seed draws is drawn once."""
    seeds = tuple(dict.fromkeys(member.seed for member in pack.members))
    seed_rows = torch.tensor([seeds.index(member.seed) for member in pack.members])
    samples, splits = _samples_of(dataset, seeds)
    inputs = samples.inputs.to(device)

    def parts(positions: Sequence[Tensor]) -> tuple[Part, ...]:
        """One `Part` for each size and number of classes."""
        sizes = [(len(part), len(samples.labels[part].unique())) for part in positions]
        rows_by_size = [[row for row, other in enumerate(sizes) if other == size] for size in dict.fromkeys(sizes)]
        return tuple(_make_part(samples, positions, rows, seed_rows, inputs) for rows in rows_by_size)

    train = [split.train for split in splits]
    longest = max(len(part) for part in train)
    padded = [torch.cat([part, part[:1].expand(longest - len(part))]) for part in train]
    return PackData(
        structure=pack.structure,
        train=_make_part(samples, padded, list(range(len(seeds))), seed_rows, inputs),
        validation=parts([split.validation for split in splits]),
        test=parts([split.test for split in splits]),
        seeds=seeds,
        seed_rows=seed_rows.to(device),
        train_labels=tuple(samples.labels[part] for part in train),
        epoch_samples=epoch_samples(samples),
        batch_size=_batch_size(pack.structure, samples),
    )


def _batch_size(structure: Structure, dataset: Dataset) -> int:
    """A shuffled batch has no sample twice, and must fit every seed. In a closed split all training parts are alike."""
    if structure.sampler == "pk" or dataset.split == "closed":
        return structure.batch_size
    return min(structure.batch_size, smallest_training_part(dataset))


def _samples_of(dataset: AnyDataset, seeds: Sequence[int]) -> tuple[Dataset, list[Split]]:
    """The samples of some seeds and the split of each: one dataset for all, or their draws one after the other."""
    if isinstance(dataset, Dataset):
        return dataset, [split_dataset(dataset, seed) for seed in seeds]
    draws = [dataset.draw(seed) for seed in seeds]
    splits = [split_dataset(draw, seed) for draw, seed in zip(draws, seeds, strict=True)]
    inputs, labels = torch.cat([draw.inputs for draw in draws]), torch.cat([draw.labels for draw in draws])
    size = len(draws[0].labels)
    # What an epoch is, is that of the first draw: all have the same classes and sizes.
    return replace(draws[0], inputs=inputs, labels=labels), [split.shifted(n * size) for n, split in enumerate(splits)]


def _make_part(
    dataset: Dataset, positions: Sequence[Tensor], rows: list[int], seed_rows: Tensor, inputs: Tensor
) -> Part:
    """The part of the members whose seeds are at the given rows of `positions`."""
    members = torch.isin(seed_rows, torch.tensor(rows)).nonzero().flatten()
    labels = [_labels(dataset, part) for part in positions]
    stacked = [torch.stack([values[row] for row in seed_rows[members].tolist()]) for values in (positions, labels)]
    device = inputs.device
    return Part(members.to(device), stacked[0].to(device), stacked[1].to(device), inputs)


def _labels(dataset: Dataset, positions: Tensor) -> Tensor:
    labels = dataset.labels[positions]
    return labels if dataset.split == "closed" else labels.unique(return_inverse=True)[1]


def _as_floats(inputs: Tensor) -> Tensor:
    """Scales images of bytes to numbers between 0 and 1; other inputs are floats already."""
    return inputs.float().div_(255.0) if inputs.dtype == torch.uint8 else inputs
