"""How files are written in a study's folder, on disk or at a remote address."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from upath import UPath

Folder = Path | UPath


def write_whole(path: Folder, content: bytes) -> None:
    """Writes a file completely or not at all; it replaces an older one of that name.

    Raises:
        OSError: If it cannot be written; an older file stays as it was. Remote file systems may raise other errors.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            if isinstance(path, Path):
                file.flush()
                os.fsync(file.fileno())
        source: Any = partial  # both kinds of path take a target of their own kind
        source.replace(path) if isinstance(path, Path) else source.rename(path)
    finally:
        partial.unlink(missing_ok=True)
