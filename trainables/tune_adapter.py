"""A pack as a Ray Tune trainable: the one place in this package that knows Ray."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import ray
import torch
from ray import tune
from ray.exceptions import RayError

from trainables.datasets import Dataset
from trainables.halving import train_within_memory
from trainables.history import History
from trainables.provenance import code_version
from trainables.snapshots import BrokenSnapshotError, Snapshot, from_bytes, to_bytes
from trainables.spec import Pack

REPORT_SECONDS = 1.0  # between two reports of progress; each costs the driver an event


class Snapshots(Protocol):
    """Where the snapshots of packs in training are kept."""

    @property
    def seconds(self) -> float:
        """Between two snapshots of a pack."""

    def read(self, name: str) -> bytes | None:
        """What was kept under a name; None if nothing was."""

    def write(self, name: str, content: bytes) -> None:
        """Keeps bytes in place of what was there."""


@dataclass(frozen=True)
class Order:
    """A pack to be trained.

    Attributes:
        pack: What.
        name: Under which its snapshots are kept.
        fingerprint: What they depend on: of another fingerprint they are not read.
        version: Of the code that is to train it, as `code_version` gives it.
    """

    pack: Pack
    name: str
    fingerprint: str
    version: str


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
    orders: ray.ObjectRef[list[Order]],
    datasets: Mapping[tuple[str, str], ray.ObjectRef[dict[str, Any]]],
    threads: int,
    snapshots: Snapshots,
) -> Callable[[dict[str, Any]], None]:
    """A function trainable for ``config["pack"]``, a position in `orders`.

    It reports ``{"epoch": int}`` now and then, and at the end adds ``{"history": History, "seconds": float, "device":
    str}``. It goes on from the last snapshot of its pack, whoever took it, unless ``config["anew"]`` is true or
    ``config["pieces"]``, in how many parts to train the pack, is more than one.

    An exception of its own is reported as ``{"error": str}`` and then raised, so that the next try gets a process whose
    CUDA is not broken. What Ray raises is not its own. ``{"other_version": str}`` says that this node's code or
    libraries are not those of the order.

    Args:
        orders: In the object store, so that no trial's configuration carries its pack.
        datasets: As `share_dataset` gives them, by reading.
        threads: CPU threads of a trial; with one, results do not depend on the pack bit for bit.
        snapshots: Where they are kept.
    """

    def train(config: dict[str, Any]) -> None:
        order = ray.get(orders)[config["pack"]]
        if order.version != code_version():
            tune.report({"other_version": _other_version(order.version)})
            return
        try:
            fulfil(order, config)
        except RayError:
            raise
        except Exception as error:
            tune.report({"error": " ".join("".join(traceback.format_exception_only(error)).split())[:300]})
            raise

    def fulfil(order: Order, config: dict[str, Any]) -> None:
        started = last_report = last_snapshot = time.monotonic()
        torch.set_num_threads(threads)
        device = _device()
        dataset = shared_dataset(datasets[order.pack.structure.reading])
        epochs = order.pack.structure.epochs

        def on_epoch(epoch: int, snapshot: Callable[[], Snapshot] | None) -> None:
            nonlocal last_report, last_snapshot
            now = time.monotonic()
            if snapshot and epoch < epochs and now - last_snapshot >= snapshots.seconds:
                snapshots.write(order.name, to_bytes(snapshot(), order.fingerprint))
                last_snapshot = time.monotonic()
            if now - last_report >= REPORT_SECONDS:
                last_report = now
                tune.report({"epoch": epoch})

        pieces = config["pieces"]
        begun = None if config["anew"] or pieces > 1 else _begun(order, snapshots)
        history: History = train_within_memory(order.pack, dataset, device, on_epoch, begun, pieces)
        seconds = time.monotonic() - started
        tune.report({"epoch": epochs, "history": history, "seconds": seconds, "device": _name(device)})

    return train


def _begun(order: Order, snapshots: Snapshots) -> Snapshot | None:
    content = snapshots.read(order.name)
    try:
        return from_bytes(content, order.fingerprint) if content else None
    except BrokenSnapshotError:
        return None  # from the beginning, then


def _other_version(wanted: str) -> str:
    node = ray.util.get_node_ip_address()
    return (
        f"the node {node} has version {code_version()} of the code and its libraries, and this session {wanted}: "
        "install the same on every node, and run the same command again"
    )


def _device() -> torch.device:
    if not ray.get_gpu_ids():
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError("this node promises a GPU, and CUDA does not start on it: see its driver (nvidia-smi)")
    return torch.device("cuda")


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
