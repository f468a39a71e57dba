"""Random streams that are functions of (dataset, seed, purpose) and of nothing else.

Because neither the loss nor the margin, the learning rate or the pack enters a stream, the same seed gives every
run the same split, initial weights and batch order, and differences between losses are paired. Streams are made
on the CPU whatever the training device, so a seed means the same everywhere.
"""

from __future__ import annotations

import hashlib

import torch


def stream(dataset: str, seed: int | None, purpose: str, epoch: int = 0) -> torch.Generator:
    """A fresh generator for one purpose.

    Args:
        dataset: Name of the dataset.
        seed: The replicate's seed; None for what all replicates of a dataset share (its test part).
        purpose: For example ``"weights"`` or ``"batches"``; different purposes are independent.
        epoch: Streams that are consumed by epoch restart at each, so training can resume at any epoch.
    """
    text = f"{dataset}\x1f{seed}\x1f{purpose}\x1f{epoch}".encode()
    number = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(number)
