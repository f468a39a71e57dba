"""The version of the code that computed a result."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch


@cache
def code_version() -> str:
    """Everything that a result depends on, except its configuration and its data; without spaces.

    It names the version of the package, a digest of the code in `trainables`, and the versions of PyTorch and NumPy.
    Builds of one PyTorch version for different devices count as the same.
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
