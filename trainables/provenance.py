"""Where a result came from."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch


@cache
def code_version() -> str:
    """What a result depends on beside its configuration and data, without a space in it.

    The version of this package, a digest of the code that trains, and the versions of the libraries that compute. One
    version of PyTorch built for other devices counts as the same.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    try:
        version = metadata.version("contrastive-or-triplet")
    except metadata.PackageNotFoundError:
        version = "0"
    pytorch = torch.__version__.partition("+")[0]
    return f"{version}+{digest.hexdigest()[:8]}.torch{pytorch}.numpy{np.__version__}"
