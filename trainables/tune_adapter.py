"""A pack as a Ray Tune trainable: the one place in this package that knows Ray."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import ray
import torch
from ray import tune

from trainables.datasets import Dataset
from trainables.history import History
from trainables.spec import Pack
from trainables.training import train_pack

REPORT_SECONDS = 1.0  # between two reports of progress; each costs the driver an event


def share_dataset(dataset: Dataset) -> ray.ObjectRef[dict[str, Any]]:
    """Puts a dataset into the object store: one copy a node, which all its trials map into their memory.

    Its tensors go as arrays, because those are what Ray maps without copying.
    """
    values = {field.name: getattr(dataset, field.name) for field in fields(dataset)}
    return ray.put({name: v.contiguous().numpy() if isinstance(v, torch.Tensor) else v for name, v in values.items()})


def shared_dataset(reference: ray.ObjectRef[dict[str, Any]]) -> Dataset:
    """The dataset that `share_dataset` put there; its tensors are for reading only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")
        values: dict[str, Any] = ray.get(reference)
        tensors = {name: torch.from_numpy(v) for name, v in values.items() if isinstance(v, np.ndarray)}
    return Dataset(**(values | tensors))


def pack_trainable(
    packs: ray.ObjectRef[list[Pack]],
    datasets: Mapping[tuple[str, str], ray.ObjectRef[dict[str, Any]]],
    threads: int,
) -> Callable[[dict[str, Any]], None]:
    """A function trainable for ``config["pack"]``, a position in `packs`.

    It reports ``{"epoch": int}`` now and then, and at the end ``{"epoch": int, "history": History, "seconds": float}``.

    Args:
        packs: In the object store, so that no trial's configuration carries its pack.
        datasets: As `share_dataset` gives them, by reading.
        threads: CPU threads of a trial; with one, results do not depend on the pack bit for bit.
    """

    def train(config: dict[str, Any]) -> None:
        started = time.monotonic()
        torch.set_num_threads(threads)
        pack = ray.get(packs)[config["pack"]]
        dataset = shared_dataset(datasets[pack.structure.reading])
        last_report = started

        def report(epoch: int, _: object) -> None:
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
