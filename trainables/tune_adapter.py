"""A pack as a Ray Tune trainable: the one place in this package that knows Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import ray
import torch
from ray import tune

from trainables.datasets import Dataset
from trainables.history import History
from trainables.spec import Pack
from trainables.training import train_pack

REPORT_SECONDS = 1.0  # between two reports of progress; each costs the driver an event


def pack_trainable(
    packs: ray.ObjectRef[list[Pack]], datasets: Mapping[str, ray.ObjectRef[Dataset]], threads: int
) -> Callable[[dict[str, Any]], None]:
    """A function trainable for ``config["pack"]``, a position in `packs`.

    It reports ``{"epoch": int}`` now and then, and at the end ``{"epoch": int, "history": History, "seconds": float}``.

    Args:
        packs: In the object store, so that no trial's configuration carries its pack.
        datasets: In the object store, by name; one copy a node serves all its trials.
        threads: CPU threads of a trial; with one, results do not depend on the pack bit for bit.
    """

    def train(config: dict[str, Any]) -> None:
        started = time.monotonic()
        torch.set_num_threads(threads)
        pack = ray.get(packs)[config["pack"]]
        dataset: Dataset = ray.get(datasets[pack.structure.dataset])
        last_report = started

        def report(epoch: int) -> None:
            nonlocal last_report
            if time.monotonic() - last_report >= REPORT_SECONDS:
                last_report = time.monotonic()
                tune.report({"epoch": epoch})

        history: History = train_pack(pack, dataset, _device(), report)
        seconds = time.monotonic() - started
        tune.report({"epoch": pack.structure.epochs, "history": history, "seconds": seconds})

    return train


def _device() -> torch.device:
    return torch.device("cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu")
