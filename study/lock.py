"""One session at a time on a study, wherever it is stored."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from upath import UPath

RENEWED = 20.0  # seconds between two renewals of a lease
EXPIRED = 90.0  # seconds after which a lease that was not renewed is that of a session that died
_SETTLED = 2.0  # seconds that two sessions which start together take to see each other's lease


class LockedError(RuntimeError):
    """Another session is at work on the study; says which, if that is known."""


@contextmanager
def only_session(folder: Path | UPath) -> Iterator[None]:
    """Holds a study's folder, which exists, for the time of a session.

    Raises:
        LockedError: If another session holds it.
        OSError: If it cannot be written.
    """
    if isinstance(folder, Path):
        try:
            with FileLock(folder / ".lock", timeout=0):
                yield
        except Timeout:
            raise LockedError("another process") from None
    else:
        with _lease(folder / ".lease.json"):
            yield


@contextmanager
def _lease(file: UPath) -> Iterator[None]:
    """Where no lock is to be had, as in an object store: a file that its holder renews, until it leaves or dies."""
    token, holder = uuid.uuid4().hex, f"{socket.gethostname()}, process {os.getpid()}"

    def renew() -> None:
        file.write_text(json.dumps({"token": token, "holder": holder, "renewed": time.time()}))

    def check() -> None:
        found = _read(file)
        renewed = found.get("renewed") if found else None
        if found and found.get("token") != token and isinstance(renewed, float) and time.time() - renewed < EXPIRED:
            raise LockedError(f"{found.get('holder')} (until {EXPIRED:.0f} s after it has died)")

    check()
    renew()
    time.sleep(_SETTLED)
    check()
    left = threading.Event()

    def keep() -> None:
        while not left.wait(RENEWED):
            with contextlib.suppress(Exception):  # storage that is away for a moment; the next renewal may find it
                renew()

    threading.Thread(target=keep, name="lease", daemon=True).start()
    try:
        yield
    finally:
        left.set()
        if (_read(file) or {}).get("token") == token:
            file.unlink(missing_ok=True)


def _read(file: UPath) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
