"""How long a study should take, from a short measurement on this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from trainables.datasets import Dataset
from trainables.spec import Member, Pack, Structure
from trainables.training import train_pack

STARTUP_SECONDS = 12.0  # Ray, its first workers and the report
_MEMBERS = 3


def estimate_seconds(packs: Sequence[Pack], datasets: Mapping[str, Dataset], workers: int) -> float:
    """Seconds that packs should take on `workers` at once, were those like this machine.

    For each dataset one small pack is trained for one epoch and for five: that gives the cost of an epoch and of an
    evaluation.
    """
    measured: dict[str, tuple[float, float]] = {}
    total = 0.0
    for pack in packs:
        structure = pack.structure
        if structure.dataset not in measured:
            measured[structure.dataset] = _measure(structure, datasets[structure.dataset])
        epoch, evaluation = measured[structure.dataset]
        evaluations = len(structure.evaluation_epochs())
        total += len(pack.members) * (structure.epochs * epoch + evaluations * evaluation)
    return STARTUP_SECONDS + total / max(1, min(workers, len(packs)))


def _measure(structure: Structure, dataset: Dataset) -> tuple[float, float]:
    """Seconds of an epoch and of an evaluation, for one member."""
    members = tuple(Member(1.0, 1e-3, seed) for seed in range(_MEMBERS))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for epochs in (1, 1, 5):  # the first one warms up
            started = time.thread_time()  # the driver's other threads may be busy
            train_pack(Pack(replace(structure, epochs=epochs, evaluate_every=epochs), members), dataset)
            seconds.append((time.thread_time() - started) / _MEMBERS)
    finally:
        torch.set_num_threads(threads)
    epoch = max(seconds[2] - seconds[1], 0.0) / 4
    return epoch, max(seconds[1] - epoch, 0.0) / 2
