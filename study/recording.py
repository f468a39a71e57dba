"""Keeping what a pack brought: a record on disk at once, MLflow behind it."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import pandas as pd

from analysis.records import Folder, PackRecord, RunDescription, write_record
from study.grid import Run
from study.packing import pack_id
from study.storage import storage_errors
from study.tracking import TrackingError, TrackingSink
from trainables.history import History, Sketch


def make_record(
    runs: Sequence[Run],
    history: History,
    seconds: float,
    device: str,
    code_version: str,
    data_digest: str,
    sketched_seed: int,
) -> PackRecord:
    """The record of a pack that has just ended, from its history, whose members are `runs` in order.

    Embeddings are sketched for runs of one seed alone: a report shows one of each loss.
    """
    pack = pack_id(runs)
    descriptions, columns = [], {"key": [], "metric": [], "epoch": [], "value": []}  # type: ignore[var-annotated]
    for member, run in enumerate(runs):
        diverged = history.diverged[member]
        tags = {
            "pack": pack,
            "code_version": code_version,
            "data_digest": data_digest,
            "device": device,
            "diverged": "false" if diverged is None else f"epoch {diverged}",
        }
        sketch = history.sketches[member] if run.member.seed == sketched_seed and diverged is None else None
        descriptions.append(RunDescription(run.key, run_params(run), tags, _rounded(sketch) if sketch else None))
        for metric, epoch, value in history.points(member):
            columns["key"].append(run.key)
            columns["metric"].append(metric)
            columns["epoch"].append(epoch)
            columns["value"].append(value)
    points = pd.DataFrame(columns).astype({"epoch": "int32", "value": "float64"})
    finished = time.time()
    return PackRecord(pack, round((finished - seconds) * 1000), round(finished * 1000), tuple(descriptions), points)


def _rounded(sketch: Sketch) -> dict[str, list[float]]:
    """Four digits are more than a picture shows."""
    scale = max(map(abs, (*sketch.x, *sketch.y)), default=0.0) or 1.0
    digits = 4 - math.ceil(math.log10(scale))
    return {
        "x": [round(x, digits) for x in sketch.x],
        "y": [round(y, digits) for y in sketch.y],
        "label": [*sketch.label],
    }


def run_params(run: Run) -> dict[str, str | int | float | bool]:
    """A run's parameters under the names that MLflow shows."""
    structure, member = run.structure, run.member
    return {
        "dataset": structure.dataset,
        "encoder": structure.encoder,
        "split": structure.split,
        "loss": structure.loss,
        "miner": structure.miner,
        "margin": member.margin,
        "lr": member.lr,
        "seed": member.seed,
        "epochs": structure.epochs,
        "batch_size": structure.batch_size,
        "sampler": structure.sampler,
        "samples_per_class": structure.samples_per_class if structure.sampler == "pk" else 0,
        "embedding_dim": structure.embedding_dim,
        "normalized": structure.normalize,
        "augmented": structure.augment,
    }


class Recorder:
    """Writes records as packs end, and fills MLflow from them in a thread of its own.

    MLflow may be away: then the records wait, and it is asked again now and then. Only a full or broken disk stops a
    study.
    """

    def __init__(
        self, folder: Folder, opening: Future[TrackingSink], connect: Callable[[], TrackingSink], pause: float = 10.0
    ) -> None:
        """Starts the thread.

        Args:
            folder: Of the records.
            opening: Brings MLflow, or `TrackingError`; records wait for it.
            connect: Opens it anew, or raises `TrackingError`.
            pause: Seconds before MLflow is asked again once it has failed.
        """
        self._folder = folder
        self._sink: TrackingSink | None = None
        self._opening = opening
        self._connect = connect
        self._pause = pause
        self._queue: queue.SimpleQueue[PackRecord | None] = queue.SimpleQueue()
        self._waiting: list[PackRecord] = []
        self._ask_again = 0.0
        self._thread = threading.Thread(target=self._fill, name="mlflow", daemon=True)
        self._thread.start()

    def add(self, record: PackRecord) -> None:
        """Writes a record to disk and hands it on.

        Raises:
            OSError: If it cannot be written.
        """
        with storage_errors(self._folder):
            write_record(self._folder, record)
        self._queue.put(record)

    def add_recorded(self, record: PackRecord) -> None:
        """Hands on a record that is on disk already."""
        self._queue.put(record)

    def close(self) -> TrackingSink:
        """Waits for MLflow, tries once more what failed, and returns it, filled.

        Raises:
            TrackingError: If some records are not in it.
        """
        self._queue.put(None)
        self._thread.join()
        return self._write_waiting()

    def _fill(self) -> None:
        try:
            self._sink = self._opening.result()
        except TrackingError:
            self._ask_again = time.monotonic() + self._pause
        while (record := self._queue.get()) is not None:
            self._waiting.append(record)
            if time.monotonic() >= self._ask_again:
                try:
                    self._write_waiting()
                except TrackingError:
                    self._ask_again = time.monotonic() + self._pause

    def _write_waiting(self) -> TrackingSink:
        sink = self._sink = self._sink or self._connect()
        failure = None
        for record in list(self._waiting):
            try:
                sink.write(record)
                self._waiting.remove(record)
            except TrackingError as error:
                failure = error
                if error.away:  # so is it for the others, and each would wait for it in vain
                    self._sink = None  # when it is back, what it holds is looked at anew
                    break
        if failure:
            raise failure
        return sink
