"""SHA-256 of arrays."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt


def array_digest(array: npt.NDArray[Any]) -> str:
    """SHA-256 of an array's bytes in row-major order, in hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).hexdigest()
