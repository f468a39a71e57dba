"""What this machine offers: the CPU cores that this process may use, and its GPU."""

from __future__ import annotations

import warnings

import joblib
import torch

CORES: int = joblib.cpu_count()  # within the process's affinity and its control group, which a container may narrow


def local_device() -> torch.device:
    """The device of this process: its first GPU, if it has one that PyTorch can use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's words about a driver that is too old for it, several lines long
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def local_gpus() -> int:
    """How many GPUs of this machine PyTorch can use: none if their driver is too old for it, though it counts them."""
    return torch.cuda.device_count() if local_device().type == "cuda" else 0
