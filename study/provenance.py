"""Where a result came from."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

import trainables


def code_version() -> str:
    """The version of this package and a digest of the code that trains: what a result depends on."""
    digest = hashlib.sha256()
    root = Path(trainables.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    try:
        version = metadata.version("contrastive-or-triplet")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"{version}+{digest.hexdigest()[:8]}"
