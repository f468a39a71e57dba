"""Regular files alone: a FIFO would keep its reader waiting, and ``/dev/zero`` fills any memory."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import IO

from trainables.datasets.errors import DatasetError

_BLOCK = 1 << 22


def open_regular(path: Path) -> IO[bytes]:
    """Opens a regular file. A link to one may stand in its place.

    Raises:
        OSError: If it cannot be opened.
        DatasetError: If it is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DatasetError(f"{path} is no regular file")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: If it cannot be read.
        DatasetError: If it is no regular file, or has more than `most` bytes.
    """
    with open_regular(path) as file:
        content = bytearray()
        while len(content) <= most and (block := file.read(min(_BLOCK, most + 1 - len(content)))):
            content += block
    if len(content) > most:
        raise DatasetError(f"{path} has more than {most} bytes, the most that such a file may have")
    return bytes(content)


def file_digest(path: Path) -> str:
    """SHA-256 of a regular file's content, in hexadecimal digits; raises what `open_regular` does."""
    with open_regular(path) as file:
        return stream_digest(file, "sha256")


def stream_digest(file: IO[bytes], algorithm: str) -> str:
    """The digest of what is left of an open file, in hexadecimal digits."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
