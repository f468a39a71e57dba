"""Unpacks tar archives of data sets: folders and regular files, below one folder, and no more than such a set has."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import IO

MOST_MEMBERS = 1_000_000
MOST_BYTES = 1 << 34  # unpacked; the largest of the known ones has 1.2 GB


def unpack(archive: IO[bytes], folder: Path) -> None:
    """Unpacks a tar archive with tarfile's data filter, which refuses files outside the folder.

    Nothing is unpacked after the first member that is refused.

    Raises:
        RuntimeError: If this Python's tarfile has no such filter.
        tarfile.TarError: If the archive is broken, has links, devices or FIFOs, files outside the folder, or more
            files or bytes than `MOST_MEMBERS` and `MOST_BYTES`.
    """
    if not hasattr(tarfile, "data_filter"):
        raise RuntimeError("this Python cannot unpack archives safely: use 3.10.12, 3.11.4 or newer")
    size = 0
    with tarfile.open(fileobj=archive, mode="r:*") as opened:
        for count, member in enumerate(opened, start=1):
            size += max(member.size, 0)
            if not (member.isdir() or member.isreg()):
                raise tarfile.TarError(f"{member.name!r} is a link or a device, and data sets have none")
            if count > MOST_MEMBERS or size > MOST_BYTES:
                raise tarfile.TarError(f"it unpacks to more than {MOST_MEMBERS} files or {MOST_BYTES} bytes")
            opened.extract(member, folder, filter="data")
