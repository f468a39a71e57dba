"""Random streams that depend on the dataset, the seed, the purpose and the epoch only.

They do not depend on the loss, the margin, the learning rate or the pack. So all runs with one seed have the same
split, initial weights and batches, and differences between losses are paired. Random numbers always come from the CPU,
so they are the same on every training device.
"""

from __future__ import annotations

import hashlib

import torch


def random_stream(dataset: str, seed: int, purpose: str, epoch: int = 0) -> torch.Generator:
    """A new generator for one purpose.

    Args:
        dataset: Name of the dataset.
        seed: The seed of the run.
        purpose: For example ``"weights"`` or ``"batches"``; different purposes are independent.
        epoch: Each epoch may have its own stream, so training can resume at any epoch.
    """
    return torch.Generator().manual_seed(stream_number(dataset, seed, purpose, epoch))


def stream_number(dataset: str, seed: int, purpose: str, epoch: int = 0) -> int:
    """What seeds the generator of `random_stream`: an integer of 63 bits, from the same arguments."""
    text = f"{dataset}\x1f{seed}\x1f{purpose}\x1f{epoch}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
