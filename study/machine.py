"""What this machine offers: the CPU cores that this process may use, and its GPU."""

from __future__ import annotations

import joblib
import torch

CORES: int = joblib.cpu_count()  # within the process's affinity and its control group, which a container may narrow


def local_device() -> torch.device:
    """The device of this process: its first GPU, if it has one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
