"""Estimates how long a study takes, from a short measurement on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from study.config.model import StudyConfig
from study.config.searches import round_at_rungs
from study.data.sources import EncodedDataset
from study.machine import CORES, local_device
from study.planning.work import Work
from trainables.datasets.listing import read_image
from trainables.datasets.splits import TEST_SHARE, VALIDATION_SHARE, Dataset, epoch_samples, make_dataset
from trainables.networks.backbones import embed, load_backbone, published_weights
from trainables.networks.encoders import backbone_of
from trainables.pack import DatasetKey, Member, Pack, Structure
from trainables.training.within_memory import train_within_memory

STARTUP_SECONDS = 10.0  # Ray, its first workers and the report
_MEMBERS = 3
_FULL_SIZE = 4000  # samples up to which a dataset of vectors is measured at its full size
_SAMPLE_IMAGES = 6
_SAMPLE_SIDE = 32  # pixels; the cost of larger images is assumed to grow with their area
_FEW_CLASSES = 12
_SAMPLES_OF_A_CLASS = 12  # at least, in random data
_SELECTION_SHARE = 0.25  # of an evaluation, roughly: MAP@R of the validation part alone, where a run stops early
_FORWARD_FRACTION = 1 / 3  # of a training step's arithmetic


@dataclass(frozen=True)
class Estimate:
    """How many seconds a dataset's runs take on one worker.

    Attributes:
        encoded: The dataset.
        training: Of all its runs.
        preparation: Before the training.
        epoch: Of one run and epoch.
        evaluation: Of one run's evaluation.
    """

    encoded: EncodedDataset
    training: float
    preparation: float
    epoch: float
    evaluation: float

    def run(self, structure: Structure) -> float:
        """Of one run."""
        return _run_seconds(structure, self.epoch, self.evaluation)


def estimate(
    work: Sequence[Work],
    datasets: Sequence[EncodedDataset],
    unprepared: Sequence[EncodedDataset],
    sizes: Sequence[tuple[int, int]] = (),
    members: Mapping[DatasetKey, int] | None = None,
) -> list[Estimate]:
    """Estimates the training time of each dataset, for workers like this machine.

    Random data of the same size and shape are trained on for a few epochs.

    Args:
        work: What is to be trained.
        datasets: The datasets of this work.
        unprepared: Those whose inputs are not in the cache.
        sizes: Batch sizes, each with an embedding dimension, over which the time of a run is averaged; those of the
            work if there are none.
        members: Of the packs that will train each dataset. On a GPU a step takes as long for many members as for few,
            so there a pack of this size is measured.
    """
    sizes_on_gpu = members if members and local_device().type != "cpu" else {}
    estimates = []
    evaluation_of: dict[tuple[str, int, int], Callable[[int], float]] = {}
    for encoded in datasets:
        own = [each for each in work if each.dataset_key == encoded.key]
        preparation = _preparation_seconds(encoded) if encoded in unprepared else 0.0
        if not own:
            continue
        structure = replace(own[0].structure, stop_at=None)
        alike = [replace(structure, batch_size=batch, embedding_dim=dim) for batch, dim in sizes] or [structure]
        if encoded.samples <= _FULL_SIZE and encoded.encoder != "cnn":
            data = _random_dataset(encoded, encoded.samples)
            measured = [_measure(each, data, sizes_on_gpu.get(encoded.key, _MEMBERS)) for each in alike]
        else:
            measured = [_extrapolate(each, encoded, evaluation_of, sizes_on_gpu.get(encoded.key)) for each in alike]
        epoch, evaluation = (sum(each) / len(alike) for each in zip(*measured, strict=True))
        training = sum(each.runs * _run_seconds(each.structure, epoch, evaluation) for each in own)
        estimates.append(Estimate(encoded, training, preparation, epoch, evaluation))
    return estimates


def total_seconds(estimates: Sequence[Estimate], packs: int, workers: int) -> float:
    """Seconds of a study that trains so many packs at once."""
    training = sum(each.training for each in estimates) / max(1, min(workers, packs))
    return STARTUP_SECONDS + training + sum(each.preparation for each in estimates)


def rounds_in(
    seconds: float, config: StudyConfig, estimates: Sequence[Estimate], structures: Sequence[Structure], workers: int
) -> float:
    """How many rounds all searches of a study get through in some time, roughly.

    Args:
        seconds: From the start of the command.
        config: The study.
        estimates: How long the training takes, by dataset.
        structures: Of its runs, one at least for each dataset.
        workers: How many packs train at once.
    """
    by_dataset = {structure.dataset_key: structure for structure in structures}
    searches, in_round = len(config.losses) * len(config.seeds), round_at_rungs(config.rung_epochs, config.factor)
    round_seconds = 0.0
    for each in estimates:
        structure = by_dataset[each.encoded.key]
        for epoch, count in zip(config.rung_epochs, in_round, strict=True):
            stop_at = None if epoch == structure.epochs else epoch
            round_seconds += searches * count * each.run(replace(structure, stop_at=stop_at)) / workers
    return max(seconds - STARTUP_SECONDS - sum(each.preparation for each in estimates), 0.0) / round_seconds


def _run_seconds(structure: Structure, epoch: float, evaluation: float) -> float:
    evaluations = len(structure.evaluation_epochs()) or _SELECTION_SHARE
    return structure.last_epoch * epoch + evaluations * evaluation


def _extrapolate(
    structure: Structure,
    encoded: EncodedDataset,
    evaluation_of: dict[tuple[str, int, int], Callable[[int], float]],
    on_gpu: int | None,
) -> tuple[float, float]:
    """Seconds of an epoch and of an evaluation for one member, from a few batches and smaller evaluations.

    `on_gpu` is how many members a pack has on a GPU.
    """
    measured, scale = encoded, 1.0
    if encoded.encoder == "cnn" and encoded.input_shape[1] > _SAMPLE_SIDE:
        measured = replace(encoded, input_shape=(encoded.input_shape[0], _SAMPLE_SIDE, _SAMPLE_SIDE))
        scale = (encoded.input_shape[1] / _SAMPLE_SIDE) ** 2
    few = _random_dataset(measured, 4 * structure.batch_size + 8 * _FEW_CLASSES, _FEW_CLASSES)
    members = on_gpu or (1 if encoded.encoder == "cnn" else _MEMBERS)
    step = scale * _measure(structure, few, members, last=3)[0] / max(epoch_samples(few) // structure.batch_size, 1)
    key = structure.split, encoded.classes, structure.embedding_dim
    if key not in evaluation_of:
        evaluation_of[key] = _evaluation_seconds(structure, encoded, on_gpu or 1)
    forward = _FORWARD_FRACTION * step / structure.batch_size * encoded.samples
    steps = max(_epoch_samples(encoded) // structure.batch_size, 1)
    return step * steps, evaluation_of[key](encoded.samples) + forward


def _epoch_samples(encoded: EncodedDataset) -> int:
    """The approximate number of samples in an epoch."""
    test = 0.5 if encoded.split == "disjoint" else TEST_SHARE
    if encoded.official_test is not None:
        test = float(encoded.official_test.float().mean())
    return round(encoded.samples * (1 - test) * (1 - VALIDATION_SHARE))


def _evaluation_seconds(structure: Structure, encoded: EncodedDataset, members: int) -> Callable[[int], float]:
    """Seconds of one of the members' evaluation, less the encoder: linear and quadratic in the number of samples."""
    cheap = replace(encoded, encoder="linear", input_shape=(16,))
    half, full = _FULL_SIZE // 2, _FULL_SIZE
    linear = replace(structure, encoder="linear", augment=False)
    at_half, at_full = (_measure(linear, _random_dataset(cheap, size), members, last=2)[1] for size in (half, full))
    quadratic = max(at_full - 2 * at_half, 0.0) / (full**2 - 2 * half**2)
    proportional = max(at_full - quadratic * full**2, 0.0) / full
    return lambda samples: proportional * samples + quadratic * samples**2


def _random_dataset(encoded: EncodedDataset, samples: int, classes: int | None = None) -> Dataset:
    """Random data of a dataset's shape. All classes have the same size, and are large enough to be split."""
    generator = torch.Generator().manual_seed(0)
    count = max(min(classes or encoded.classes, samples // _SAMPLES_OF_A_CLASS), 2 if encoded.split == "closed" else 7)
    samples = max(samples, count * _SAMPLES_OF_A_CLASS)
    labels = torch.arange(samples) % count
    if len(encoded.input_shape) == 3:
        inputs = torch.randint(0, 256, (samples, *encoded.input_shape), generator=generator, dtype=torch.uint8)
    else:
        inputs = torch.randn(samples, *encoded.input_shape, generator=generator)
    return make_dataset(encoded.dataset, inputs, labels, encoded.split, source_digest="random data")


def _measure(structure: Structure, dataset: Dataset, count: int = _MEMBERS, last: int = 5) -> tuple[float, float]:
    """Seconds of an epoch and of an evaluation, for one of `count` members, from packs of 1 and of `last` epochs."""
    members = tuple(Member(1.0, 1e-3, seed) for seed in range(count))
    device = local_device()
    # On a CPU, the time of this thread alone: other threads of this process may be busy.
    clock = time.thread_time if device.type == "cpu" else time.perf_counter
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for epochs in (1, 1, last):  # the first one warms up
            started = clock()
            pack = Pack(replace(structure, epochs=epochs, evaluate_every=epochs), members)
            train_within_memory(pack, dataset, device)
            seconds.append((clock() - started) / count)
    finally:
        torch.set_num_threads(threads)
    epoch = max(seconds[2] - seconds[1], 0.0) / (last - 1)
    return epoch, max(seconds[1] - epoch, 0.0) / 2


def _preparation_seconds(encoded: EncodedDataset) -> float:
    """Seconds to decode a dataset's images, and to embed them if its encoder is a backbone."""
    listing = encoded.listing
    if listing is None:
        return 0.0
    started = time.monotonic()
    for position in range(0, len(listing), max(len(listing) // _SAMPLE_IMAGES, 1)):
        read_image(listing, position)
    seconds = (time.monotonic() - started) / _SAMPLE_IMAGES / CORES
    backbone = backbone_of(encoded.encoder)
    if backbone:
        side = published_weights(backbone).transforms().crop_size[0]
        model = load_backbone(backbone, None).to(local_device())
        images = torch.rand(_SAMPLE_IMAGES, 3, side, side)
        embed(model, images, local_device())
        started = time.monotonic()
        embed(model, images, local_device())
        seconds += (time.monotonic() - started) / _SAMPLE_IMAGES
    return seconds * len(listing)
