"""Reads files that others may have put there: regular ones alone, and no more of them than is allowed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from analysis.store.files import Folder

_PART = 1 << 22  # bytes


class OddFileError(ValueError):
    """What is wrong with a file before it is read: it is no regular file, or larger than allowed."""


def read_regular(path: Folder, most: int) -> bytes:
    """The content of a regular file. A link to one counts as one.

    Args:
        path: The file, on disk or at a remote address.
        most: The most bytes that it may hold; no more are read.

    Raises:
        OddFileError: If it is a pipe, a device or a folder, or holds more.
        OSError: If it cannot be read. Remote file systems may raise other errors.
    """
    if isinstance(path, Path):
        # Some devices act when they are opened. A pipe that nobody writes would never open, were it not for the flag.
        _check_kind(os.stat(path))
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            _check_kind(os.fstat(descriptor))
            return _content(file, most)
    with path.open("rb") as file:
        return _content(file, most)


def _content(file: BinaryIO, most: int) -> bytes:
    content = bytearray()
    while part := file.read(_PART):  # a single read would take the memory of all that is allowed
        content += part
        if len(content) > most:
            raise OddFileError(f"is larger than {most / 1e6:,.1f} MB")
    return bytes(content)


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OddFileError("is no regular file")
