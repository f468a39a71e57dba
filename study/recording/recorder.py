"""Keeps the results of packs: each record is written to disk at once, and to MLflow behind it.

What is told of packs in training goes to MLflow alone, and is lost without harm: the records are the truth.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import TracebackType

from analysis.store.files import Folder
from analysis.store.records import PackRecord, write_record
from study.recording.live.told import LivePack, LiveUpdate
from study.recording.mlflow_sink import TrackingError, TrackingSink
from study.recording.stopped_runs import StoppedRuns
from study.storage.errors import storage_errors
from study.storage.lock import LockedError

_STOP_SECONDS = 3.0  # for what is being written to MLflow when an error ends the session


class Recorder:
    """Writes records as packs end, and fills MLflow from them in its own thread.

    If MLflow does not answer, the records wait, and MLflow is tried again from time to time. Only an error of the disk
    stops a study. Runs that a search stopped early come to MLflow at the end, for until then they may go on.
    """

    def __init__(
        self,
        folder: Folder,
        opening: Future[TrackingSink],
        connect: Callable[[], TrackingSink],
        pause: float = 10.0,
        raise_if_taken_over: Callable[[], None] = lambda: None,
        announce: Callable[[TrackingSink], str] = lambda _: "",
    ) -> None:
        """Starts the thread.

        Args:
            folder: Where the records are written.
            opening: Opens MLflow, or raises `TrackingError`. Records wait for it.
            connect: Opens MLflow again, or raises `TrackingError`.
            pause: Seconds until MLflow is tried again after an error.
            raise_if_taken_over: Raises `LockedError` if another session has the study. Then nothing more is written.
            announce: Called once the first pack in training is shown, for what `announcement` then gives.
        """
        self._folder = folder
        self._sink: TrackingSink | None = None
        self._opening = opening
        self._connect = connect
        self._pause = pause
        self._raise_if_taken_over = raise_if_taken_over
        self._announce: Callable[[TrackingSink], str] | None = announce
        self._announcement = ""
        self._queue: queue.SimpleQueue[PackRecord | LiveUpdate | str | None] = queue.SimpleQueue()
        self._live: dict[str, LivePack] = {}
        self._waiting: list[PackRecord] = []
        self._stopped = StoppedRuns()
        self._next_try = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._fill, name="mlflow", daemon=True)
        self._thread.start()

    def add(self, record: PackRecord) -> None:
        """Writes a record to disk, then to MLflow.

        Raises:
            OSError: If it cannot be written to disk, or another session has the study.
        """
        self._raise_if_taken_over()
        with storage_errors(self._folder):
            write_record(self._folder, record)
        self._queue.put(record)

    def add_recorded(self, record: PackRecord) -> None:
        """Writes a record that is on disk to MLflow."""
        self._queue.put(record)

    def show(self, update: LiveUpdate) -> None:
        """Shows what is new of a pack in training, unless MLflow is away."""
        self._queue.put(update)

    def withdraw(self, pack: str) -> None:
        """Shows a pack no more, by its id: it brings no result."""
        self._queue.put(pack)

    def announcement(self) -> str:
        """What there is to say of packs that are shown, once; else nothing."""
        said, self._announcement = self._announcement, ""
        return said

    def close(self) -> TrackingSink:
        """Waits until MLflow is filled, tries once more what failed, and returns MLflow. No run seems to train then.

        Raises:
            TrackingError: If some records are not in MLflow.
        """
        self._queue.put(None)
        self._thread.join()
        self._waiting += self._stopped.for_good()
        try:
            sink = self._write_waiting()
            sink.remove(self._stopped.went_on())
            return sink
        finally:
            self._withdraw_all()

    def stop_on_error(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Fills MLflow no further if an error has ended the session: the next one does, maybe in this process."""
        if kind is not None:
            self._stopping = True
            self._queue.put(None)
            self._thread.join(_STOP_SECONDS)

    def _fill(self) -> None:
        try:
            self._sink = self._opening.result()
        except TrackingError:
            self._next_try = time.monotonic() + self._pause
        try:
            while (item := self._queue.get()) is not None and not self._stopping:
                if isinstance(item, PackRecord):
                    self._take_record(item)
                elif isinstance(item, LiveUpdate):
                    self._live.setdefault(item.pack, LivePack(item)).add(item.points)
                elif item in self._live:
                    self._try(partial(self._withdraw, self._live.pop(item)))
                if self._queue.empty():  # else more is to come, which costs no more to show
                    self._try(self._show)
        except LockedError:  # the main thread will meet it too
            return
        if self._stopping:
            self._withdraw_all()

    def _take_record(self, record: PackRecord) -> None:
        # A run that was stopped early, and was shown, does not seem to train until the search ends.
        live = self._live.pop(record.pack, None)
        if not self._stopped.keeps(record) or live is not None:
            self._waiting.append(record)
            self._try(self._write_waiting)

    def _try(self, task: Callable[[], object]) -> None:
        """Does something with MLflow, unless that failed a moment ago."""
        if time.monotonic() >= self._next_try:
            try:
                task()
            except TrackingError:
                self._next_try = time.monotonic() + self._pause

    def _show(self) -> None:
        for pack in self._live.values():
            if pack.has_news and not self._stopping:
                self._raise_if_taken_over()
                sink = self._sink = self._sink or self._connect()
                try:
                    sink.show(pack)
                    if self._announce is not None:
                        announce, self._announce = self._announce, None
                        self._announcement = announce(sink)
                except TrackingError as error:
                    if error.unreachable:
                        self._sink = None
                    raise

    def _withdraw(self, pack: LivePack) -> None:
        if self._sink is not None:
            self._sink.withdraw([run.key for run in pack.runs])

    def _withdraw_all(self) -> None:
        if self._sink is not None:
            with contextlib.suppress(TrackingError):  # the next session does it
                self._sink.withdraw()

    def _write_waiting(self) -> TrackingSink:
        sink = self._sink = self._sink or self._connect()
        failure = None
        for record in list(self._waiting):
            if self._stopping:
                break
            self._raise_if_taken_over()
            try:
                sink.write(record)
                self._waiting.remove(record)
            except TrackingError as error:
                failure = error
                if error.unreachable:
                    # Each of the other records would wait for an answer too.
                    self._sink = None  # opened again later, to read again which runs MLflow holds
                    break
        if failure:
            raise failure
        return sink
