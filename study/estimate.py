"""How long a study should take, from a short measurement on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from study.preparation import WORKERS, device_here
from study.readings import Reading
from trainables.backbones import load_backbone, published_weights
from trainables.datasets import Dataset, make_dataset
from trainables.datasets.listing import read_image
from trainables.datasets.splits import TEST_SHARE, VALIDATION_SHARE, epoch_samples
from trainables.encoders import backbone_of
from trainables.spec import Member, Pack, Structure
from trainables.training import train_pack

STARTUP_SECONDS = 10.0  # Ray, its first workers and the report
_MEMBERS = 3
_MEASURED_WHOLE = 4000  # samples up to which a dataset of vectors is tried at its full size
_TRIED_IMAGES = 6
_TRIED_SIDE = 32  # of larger images, whose cost is taken to grow with their area
_FEW_CLASSES = 12
_LEAST_OF_A_CLASS = 12  # samples in a stand-in
_FORWARD_SHARE = 1 / 3  # of a training step's arithmetic


@dataclass(frozen=True)
class Estimate:
    """Seconds that a reading's runs should take, all workers together and one run, and its preparation before."""

    reading: Reading
    training: float
    preparation: float
    run: float


def estimate(packs: Sequence[Pack], readings: Sequence[Reading], unprepared: Sequence[Reading]) -> list[Estimate]:
    """Seconds of one worker for each reading, were the workers like this machine.

    Data of the same size and shape, drawn at random, are trained on for a few epochs.

    Args:
        packs: What is to be trained.
        readings: Of those packs.
        unprepared: Those whose inputs are not in the cache.
    """
    estimates = []
    evaluation_of: dict[tuple[str, int], Callable[[int], float]] = {}
    for reading in readings:
        mine = [pack for pack in packs if pack.structure.reading == (reading.dataset, reading.encoder)]
        preparation = _preparation_seconds(reading) if reading in unprepared else 0.0
        if not mine:
            continue
        structure = mine[0].structure
        if reading.samples <= _MEASURED_WHOLE and reading.encoder != "cnn":
            epoch, evaluation = _measure(structure, _stand_in(reading, reading.samples))
        else:
            epoch, evaluation = _extrapolate(structure, reading, evaluation_of)
        evaluations = len(structure.evaluation_epochs())
        runs = sum(len(pack.members) for pack in mine)
        run = structure.epochs * epoch + evaluations * evaluation
        estimates.append(Estimate(reading, runs * run, preparation, run))
    return estimates


def total_seconds(estimates: Sequence[Estimate], packs: int, workers: int) -> float:
    """Seconds of the whole study with so many packs at once."""
    training = sum(each.training for each in estimates) / max(1, min(workers, packs))
    return STARTUP_SECONDS + training + sum(each.preparation for each in estimates)


def _extrapolate(
    structure: Structure, reading: Reading, evaluation_of: dict[tuple[str, int], Callable[[int], float]]
) -> tuple[float, float]:
    """Seconds of an epoch and of an evaluation for one member, from a few batches and smaller evaluations."""
    tried, times = reading, 1.0
    if reading.encoder == "cnn" and reading.input_shape[1] > _TRIED_SIDE:
        tried = replace(reading, input_shape=(reading.input_shape[0], _TRIED_SIDE, _TRIED_SIDE))
        times = (reading.input_shape[1] / _TRIED_SIDE) ** 2
    few = _stand_in(tried, 4 * structure.batch_size + 8 * _FEW_CLASSES, _FEW_CLASSES)
    members = 1 if reading.encoder == "cnn" else _MEMBERS
    step = times * _measure(structure, few, members, last=3)[0] / max(epoch_samples(few) // structure.batch_size, 1)
    key = structure.split, reading.classes
    if key not in evaluation_of:
        evaluation_of[key] = _evaluation_seconds(structure, reading)
    forward = _FORWARD_SHARE * step / structure.batch_size * reading.samples
    steps = max(_epoch_samples(reading) // structure.batch_size, 1)
    return step * steps, evaluation_of[key](reading.samples) + forward


def _epoch_samples(reading: Reading) -> int:
    """About how many samples an epoch has."""
    test = 0.5 if reading.split == "disjoint" else TEST_SHARE
    if reading.split == "closed" and reading.listing is not None and reading.listing.test is not None:
        test = sum(reading.listing.test) / reading.samples
    return round(reading.samples * (1 - test) * (1 - VALIDATION_SHARE))


def _evaluation_seconds(structure: Structure, reading: Reading) -> Callable[[int], float]:
    """Seconds of an evaluation but for the encoder, by the number of samples: a part linear in it, a part quadratic."""
    cheap = replace(reading, encoder="linear", input_shape=(16,))
    half, whole = _MEASURED_WHOLE // 2, _MEASURED_WHOLE
    linear = replace(structure, encoder="linear", augment=False)
    at_half, at_whole = (_measure(linear, _stand_in(cheap, size), 1, last=2)[1] for size in (half, whole))
    quadratic = max(at_whole - 2 * at_half, 0.0) / (whole**2 - 2 * half**2)
    proportional = max(at_whole - quadratic * whole**2, 0.0) / whole
    return lambda samples: proportional * samples + quadratic * samples**2


def _stand_in(reading: Reading, samples: int, classes: int | None = None) -> Dataset:
    """Random data of a reading's shape, with classes of one size, none of them too small to be split."""
    generator = torch.Generator().manual_seed(0)
    count = max(min(classes or reading.classes, samples // _LEAST_OF_A_CLASS), 2 if reading.split == "closed" else 7)
    samples = max(samples, count * _LEAST_OF_A_CLASS)
    labels = torch.arange(samples) % count
    if len(reading.input_shape) == 3:
        inputs = torch.randint(0, 256, (samples, *reading.input_shape), generator=generator, dtype=torch.uint8)
    else:
        inputs = torch.randn(samples, *reading.input_shape, generator=generator)
    return make_dataset(reading.dataset, inputs, labels, reading.split, content="a stand-in")


def _measure(structure: Structure, dataset: Dataset, count: int = _MEMBERS, last: int = 5) -> tuple[float, float]:
    """Seconds of an epoch and of an evaluation, for one of `count` members, from packs of 1 and of `last` epochs."""
    members = tuple(Member(1.0, 1e-3, seed) for seed in range(count))
    device = device_here()
    clock = time.thread_time if device.type == "cpu" else time.perf_counter  # the driver's other threads may be busy
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for epochs in (1, 1, last):  # the first one warms up
            started = clock()
            train_pack(Pack(replace(structure, epochs=epochs, evaluate_every=epochs), members), dataset, device)
            seconds.append((clock() - started) / count)
    finally:
        torch.set_num_threads(threads)
    epoch = max(seconds[2] - seconds[1], 0.0) / (last - 1)
    return epoch, max(seconds[1] - epoch, 0.0) / 2


def _preparation_seconds(reading: Reading) -> float:
    """Seconds to decode a reading's images, and to embed them where it has a backbone."""
    listing = reading.listing
    if listing is None:
        return 0.0
    started = time.monotonic()
    for position in range(0, len(listing), max(len(listing) // _TRIED_IMAGES, 1)):
        read_image(listing, position)
    seconds = (time.monotonic() - started) / _TRIED_IMAGES / WORKERS
    backbone = backbone_of(reading.encoder)
    if backbone:
        side = published_weights(backbone).transforms().crop_size[0]
        model = load_backbone(backbone, None).to(device_here())
        images = torch.rand(_TRIED_IMAGES, 3, side, side, device=device_here())
        with torch.inference_mode():
            model(images).cpu()
            started = time.monotonic()
            model(images).cpu()
        seconds += (time.monotonic() - started) / _TRIED_IMAGES
    return seconds * len(listing)
