"""One session at a time on a study, on a local disk and in an object store."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from upath import UPath

from analysis.plain_text import name_text
from analysis.store.files import Folder
from study.storage.errors import storage_errors

RENEW_SECONDS = 5.0  # between two renewals of a lease
EXPIRE_SECONDS = 20.0  # without a renewal, after which the lease counts as that of a dead session
POLL_SECONDS = 1.0  # between two reads of another session's lease
SETTLE_SECONDS = 2.0  # until sessions that start together know which lease was written last
_MOST_BYTES = 1 << 16  # of a lease that are read; one has some 100
_RELEASE_SECONDS = 2.0  # for which a session waits at its end for its lease to be removed


class LockedError(OSError):
    """Another session works on the study. The message names it if it is known."""


@contextmanager
def only_session(folder: Folder) -> Iterator[Callable[[], None]]:
    """Holds an existing study's folder during a session.

    Yields:
        A function to call before each write to the study. It raises `LockedError` if another session has taken the
        study over, because it saw no renewal for `EXPIRE_SECONDS`.

    Raises:
        LockedError: If another session holds the folder.
        OSError: If the folder cannot be written.
    """
    if isinstance(folder, Path):
        try:
            with FileLock(folder / ".lock", timeout=0):
                yield lambda: None
        except Timeout:
            raise LockedError("another process") from None
    else:
        lease = _Lease(folder / ".lease.json")
        try:
            lease.acquire()
            yield lease.raise_if_taken_over
        finally:
            lease.release()


class _Lease:
    """A file that its holder keeps changing, for storage without locks, such as an object store.

    A changing file means that its holder is alive. Times would not tell, because the clocks of two machines differ. The
    session whose token is in the file holds the study: the session that wrote last. Every other session finds its token
    gone before it writes again, and ends. One that slept, stopped or with its whole machine, asks anew before its next
    write, and does not trust what its renewals saw before.
    """

    def __init__(self, file: UPath) -> None:
        self._file = file
        self._token = uuid.uuid4().hex
        self._released = threading.Event()
        self._renewer = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        self._successor: str | None = None
        self._confirmed = _now()

    def acquire(self) -> None:
        """Waits until no other session is alive, and writes the lease.

        Raises:
            LockedError: If another session is alive, or started at the same time and wrote last.
        """
        _wait_for_expiry(self._file)
        self._write(0)
        self._renewer.start()
        time.sleep(SETTLE_SECONDS)
        winner = self._other_holder()
        if winner:
            raise LockedError(winner)

    def raise_if_taken_over(self) -> None:
        """Raises `LockedError` if another session has taken the study over."""
        if _now() - self._confirmed > 2 * RENEW_SECONDS:
            with contextlib.suppress(OSError):  # nor can anything be written now
                self._look_for_successor()
        if self._successor:
            raise LockedError(
                f"{self._successor}, which saw no sign of this session for {EXPIRE_SECONDS:.0f} s and took over,"
            )

    def release(self) -> None:
        """Removes the lease. A storage that does not answer delays the session by `_RELEASE_SECONDS` at most."""
        if self._renewer.ident is None:  # the lease was never written
            return
        self._released.set()
        remover = threading.Thread(target=self._remove, name="release", daemon=True)
        remover.start()
        remover.join(_RELEASE_SECONDS)

    def _keep_renewing(self) -> None:
        for count in itertools.count(1):
            if self._released.wait(RENEW_SECONDS):
                return
            with contextlib.suppress(OSError):  # the next renewal may reach the storage again
                self._look_for_successor()
                if self._successor:
                    return
                self._write(count)

    def _write(self, count: int) -> None:
        holder = f"{socket.gethostname()}, process {os.getpid()}"
        content = json.dumps({"token": self._token, "holder": holder, "count": count}).encode()
        began = _now()
        with storage_errors(self._file):
            self._file.fs.pipe_file(self._file.path, content)
        self._confirmed = began

    def _look_for_successor(self) -> None:
        self._successor = self._successor or self._other_holder()
        # Whoever has taken the study over may have ended since, and removed its lease.
        if not self._successor and _now() - self._confirmed >= EXPIRE_SECONDS and _read(self._file) is None:
            self._successor = "another session"

    def _other_holder(self) -> str | None:
        content = _read(self._file)
        return None if content is None or self._token.encode() in content else _holder(content)

    def _remove(self) -> None:
        self._renewer.join()  # its last renewal could write the file again after it is removed
        with contextlib.suppress(OSError):  # a lease that stays here expires
            if not self._other_holder():
                with storage_errors(self._file):
                    self._file.unlink(missing_ok=True)


def _now() -> float:
    """Seconds on a clock that goes on while the machine sleeps, if there is one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.time()


def _wait_for_expiry(file: UPath) -> None:
    """Returns when no living session has a lease.

    Raises:
        LockedError: If the lease changes, so that its holder is alive.
    """
    file.fs.invalidate_cache()  # earlier listings of this process may be out of date
    first = _read(file)
    if first is None:
        return
    print(
        f"the study has a lease of {_holder(first)}: waiting up to {EXPIRE_SECONDS:.0f} s to see whether that is alive",
        file=sys.stderr,
        flush=True,
    )
    expiry = time.monotonic() + EXPIRE_SECONDS
    while time.monotonic() < expiry:
        time.sleep(POLL_SECONDS)
        content = _read(file)
        if content is None:
            return
        if content != first:
            raise LockedError(_holder(content))


def _holder(lease: bytes) -> str:
    try:
        return name_text(json.loads(lease)["holder"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another session"


def _read(file: UPath) -> bytes | None:
    with storage_errors(file):
        try:
            content: bytes = file.fs.cat_file(file.path, start=0, end=_MOST_BYTES)
        except FileNotFoundError:
            return None
        return content
