"""One session at a time on a study, wherever it is stored."""

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

from study.storage import storage_errors

RENEWED = 5.0  # seconds between two renewals of a lease
EXPIRED = 20.0  # seconds without one after which a lease is that of a session that died
LOOKED = 1.0  # seconds between two looks at another's lease
SETTLED = 2.0  # seconds that sessions which start together take to see whose lease was written last
_LEFT = 2.0  # seconds for which a session that ends waits for its lease to go


class LockedError(OSError):
    """Another session is at work on the study; says which, if that is known."""


@contextmanager
def only_session(folder: Path | UPath) -> Iterator[Callable[[], None]]:
    """Holds a study's folder, which exists, for the time of a session.

    Yields:
        What to call before the study is written: it raises `LockedError` if another session has taken it over, having
        seen no sign of this one for `EXPIRED` seconds.

    Raises:
        LockedError: If another session holds it.
        OSError: If it cannot be written.
    """
    if isinstance(folder, Path):
        try:
            with FileLock(folder / ".lock", timeout=0):
                yield lambda: None
        except Timeout:
            raise LockedError("another process") from None
    else:
        with _lease(folder / ".lease.json") as still_ours:
            yield still_ours


@contextmanager
def _lease(file: UPath) -> Iterator[Callable[[], None]]:
    """Where no lock is to be had, as in an object store: a file that its holder keeps changing until it leaves or dies.

    Whether a holder is alive shows in its changes, not in times, since the clocks of two machines differ. Whose token
    the file holds has the study: whoever wrote last. Everyone else finds that out before it writes again, and leaves.
    """
    token, left = uuid.uuid4().hex, threading.Event()
    successor: str | None = None

    def renew(count: int) -> None:
        holder = f"{socket.gethostname()}, process {os.getpid()}"
        _write(file, json.dumps({"token": token, "holder": holder, "count": count}).encode())

    def other() -> str | None:
        found = _read(file)
        return None if found is None or token.encode() in found else _holder(found)

    def keep() -> None:
        nonlocal successor
        for count in itertools.count(1):
            if left.wait(RENEWED):
                return
            with contextlib.suppress(OSError):  # storage that is away for a moment; the next renewal may find it
                successor = other()
                if successor:
                    return
                renew(count)

    def leave() -> None:
        keeper.join()  # else its last renewal might bring back what is removed here
        with contextlib.suppress(OSError):  # what stays here is that of a session that died
            if not other():
                with storage_errors(file):
                    file.unlink(missing_ok=True)

    def still_ours() -> None:
        if successor:
            raise LockedError(f"{successor}, which saw no sign of this session for {EXPIRED:.0f} s and took over,")

    _outlive(file)
    renew(0)
    keeper = threading.Thread(target=keep, name="lease", daemon=True)
    keeper.start()
    try:
        time.sleep(SETTLED)
        if winner := other():
            raise LockedError(winner)
        yield still_ours
    finally:
        left.set()
        # Storage that is away must not keep the session from its end.
        leaver = threading.Thread(target=leave, name="leave", daemon=True)
        leaver.start()
        leaver.join(_LEFT)


def _outlive(file: UPath) -> None:
    """Returns when there is no lease of a session that is alive.

    Raises:
        LockedError: If there is one: it changes while one watches.
    """
    file.fs.invalidate_cache()  # what this process has listed before may be of another session's time
    first = _read(file)
    if first is None:
        return
    print(
        f"the study has a lease of {_holder(first)}: waiting up to {EXPIRED:.0f} s to see whether that is alive",
        file=sys.stderr,
        flush=True,
    )
    dead = time.monotonic() + EXPIRED
    while time.monotonic() < dead:
        time.sleep(LOOKED)
        found = _read(file)
        if found is None:
            return
        if found != first:
            raise LockedError(_holder(found))


def _holder(lease: bytes) -> str:
    try:
        return str(json.loads(lease)["holder"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another session"


def _read(file: UPath) -> bytes | None:
    with storage_errors(file):
        try:
            content: bytes = file.fs.cat_file(file.path)
        except FileNotFoundError:
            return None
        return content


def _write(file: UPath, lease: bytes) -> None:
    with storage_errors(file):
        file.fs.pipe_file(file.path, lease)
