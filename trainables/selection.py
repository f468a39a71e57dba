"""What a miner hands to a loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AllCandidates:
    """Every positive pair, every negative pair, and every triplet that they form."""


@dataclass(frozen=True)
class Selection:
    """For each anchor T slots, each offering one anchor-positive pair a negative.

    A slot for which no negative qualifies stays a candidate, with a term of zero: otherwise a miner that drops what
    is solved already would hide the decay of its loss.

    Attributes:
        positive: [K, B, T] int64, column of the positive.
        negative: [K, B, T] int64, column of the negative; arbitrary where not `filled`.
        offered: [K, B, T] bool: the slot holds an anchor-positive pair, and the anchor has a negative in the batch.
        filled: [K, B, T] bool: a negative was selected; implies `offered`.
    """

    positive: Tensor
    negative: Tensor
    offered: Tensor
    filled: Tensor


@dataclass(frozen=True)
class Relations:
    """Which samples of a batch are of the same class, a sample itself apart; both [K, B, B] bool."""

    positive: Tensor
    negative: Tensor


def relations(labels: Tensor) -> Relations:
    """Positive and negative relations from labels [K, B]."""
    same = labels.unsqueeze(2) == labels.unsqueeze(1)
    negative = ~same
    positive = same & ~torch.eye(labels.shape[1], dtype=torch.bool, device=labels.device)
    return Relations(positive, negative)
