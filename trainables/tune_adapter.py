"""A Ray Tune trainable that trains packs. No other module of this package imports Ray."""

from __future__ import annotations

import math
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

from trainables.datasets.splits import Dataset
from trainables.datasets.synthetic import AnyDataset, ClusterDraws
from trainables.devices import limit_memory, release_memory
from trainables.pack import DatasetKey, Pack
from trainables.provenance import code_version
from trainables.training.history import History
from trainables.training.live_points import LiveReport, NewPoints
from trainables.training.snapshots import BrokenSnapshotError, Snapshot, from_bytes, most_bytes, to_bytes
from trainables.training.within_memory import train_within_memory

REPORT_SECONDS = 1.0  # between two reports of progress; each costs the driver some time


class Snapshots(Protocol):
    """Storage for snapshots of unfinished packs."""

    @property
    def seconds(self) -> float:
        """The least time between two snapshots of a pack."""

    def read(self, name: str, most: int) -> bytes | None:
        """The last bytes written under a name, or None, also if there are more than `most`."""

    def write(self, name: str, content: bytes) -> None:
        """Stores bytes under a name and replaces earlier ones."""


@dataclass(frozen=True)
class TrainingJob:
    """A pack to train.

    Attributes:
        pack: The pack.
        name: The name of its snapshots.
        fingerprint: Hash of everything that the snapshots depend on. Snapshots with another fingerprint are not used.
        version: The `code_version` that must train it.
    """

    pack: Pack
    name: str
    fingerprint: str
    version: str


StoredDataset = ClusterDraws | dict[str, Any]
"""A dataset in the object store: its fields, with arrays for tensors, because Ray maps only arrays without a copy."""


def put_dataset(dataset: AnyDataset) -> ray.ObjectRef[StoredDataset]:
    """Puts a dataset into the object store. Each node gets one copy, which all its trials map into their memory."""
    if isinstance(dataset, ClusterDraws):
        return ray.put(dataset)
    values = {field.name: getattr(dataset, field.name) for field in fields(dataset)}
    return ray.put({name: v.contiguous().numpy() if isinstance(v, torch.Tensor) else v for name, v in values.items()})


def get_dataset(reference: ray.ObjectRef[StoredDataset]) -> AnyDataset:
    """The dataset that `put_dataset` stored; its tensors are read-only."""
    values = ray.get(reference)
    if isinstance(values, ClusterDraws):
        return values
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")
        tensors = {name: torch.from_numpy(v) for name, v in values.items() if isinstance(v, np.ndarray)}
    return Dataset(**(values | tensors))


def pack_trainable(
    datasets: Mapping[DatasetKey, ray.ObjectRef[StoredDataset]],
    threads: int,
    snapshots: Snapshots,
    live_seconds: float = math.inf,
    gpus: float = 1.0,
) -> Callable[[dict[str, Any]], None]:
    """A function trainable for Ray Tune.

    Its configuration has three entries. ``"jobs"`` are the packs that it trains one after the other, each a pair of a
    position and a `TrainingJob`. ``"from_scratch"`` ignores their last snapshots. ``"pieces"`` is the number of pieces
    to train a pack in.

    Each report has the position of its ``"pack"``. From time to time it has ``{"epoch": int}``, and at most every
    `live_seconds` also ``{"live": LiveReport}``, the metrics of the epochs since then. The last report of a pack adds
    ``{"history": History, "seconds": float, "device": str}``. An error in the training is reported as ``{"error":
    str}`` and then raised. So the next try runs in a new process, where CUDA works. Errors of Ray are only raised. If
    the code or the libraries on this node have another version than the job, it trains nothing and reports
    ``{"other_version": str}``.

    Args:
        datasets: From `put_dataset`.
        threads: CPU threads of a trial. With one thread, no bit of a result depends on the pack.
        snapshots: Storage for snapshots.
        live_seconds: The least time between two reports of metrics.
        gpus: The fraction of a GPU that a trial has, where it has any: it keeps within as much of its memory.
    """

    def train(config: dict[str, Any]) -> None:
        for position, job in config["jobs"]:

            def report(values: dict[str, Any], position: int = position) -> None:
                tune.report({"pack": position, **values})

            if job.version != code_version():
                report({"other_version": _version_message(job.version)})
                return
            try:
                train_job(job, config, report)
            except RayError:
                raise
            except Exception as error:
                report({"error": " ".join("".join(traceback.format_exception_only(error)).split())[:300]})
                raise

    def train_job(job: TrainingJob, config: dict[str, Any], report: Callable[[dict[str, Any]], None]) -> None:
        started = last_report = last_write = last_live = time.monotonic()
        torch.set_num_threads(threads)
        device = _device()
        limit_memory(device, gpus)
        dataset = get_dataset(datasets[job.pack.structure.dataset_key])
        epochs, new_points = job.pack.structure.last_epoch, NewPoints(len(job.pack.members))

        def on_epoch(epoch: int, snapshot: Callable[[], Snapshot]) -> None:
            nonlocal last_report, last_write, last_live
            now = time.monotonic()
            if epoch < epochs and now - last_write >= snapshots.seconds:
                snapshots.write(job.name, to_bytes(snapshot(), job.fingerprint))
                last_write = time.monotonic()
            news: dict[str, Any] = {"epoch": epoch}
            if epoch < epochs and now - last_live >= live_seconds:
                last_live = now
                points = tuple(new_points.in_snapshot(snapshot()))
                news["live"] = LiveReport(points, now - started, _device_name(device))
            if "live" in news or now - last_report >= REPORT_SECONDS:
                last_report = now
                report(news)

        pieces = config["pieces"]
        resume = None if config["from_scratch"] else _last_snapshot(job, dataset, snapshots)
        history: History = train_within_memory(job.pack, dataset, device, on_epoch, resume, pieces)
        seconds = time.monotonic() - started
        if device.type != "cpu":
            release_memory()  # the process may live on, and wait for its next pack
        report({"epoch": epochs, "history": history, "seconds": seconds, "device": _device_name(device)})

    return train


def _last_snapshot(job: TrainingJob, dataset: AnyDataset, snapshots: Snapshots) -> Snapshot | None:
    content = snapshots.read(job.name, most_bytes(job.pack, dataset.input_shape))
    try:
        return from_bytes(content, job.fingerprint) if content else None
    except BrokenSnapshotError:
        return None  # train from the beginning


def _version_message(wanted: str) -> str:
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


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
