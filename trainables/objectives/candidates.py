"""What a miner passes to a loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AllCandidates:
    """Every positive pair, every negative pair, and every triplet of the batch."""


@dataclass(frozen=True)
class MinedTriplets:
    """T slots for each anchor. Each slot may hold a positive, and a negative that was mined for this pair.

    If the miner finds no negative for a pair, the slot is still a candidate, with a term of zero. Without this rule, a
    miner that drops solved pairs would hide that the loss gets smaller.

    Attributes:
        positive: [K, B, T] int64, column of the positive.
        negative: [K, B, T] int64, column of the negative; arbitrary where `has_negative` is false.
        is_candidate: [K, B, T] bool: the slot holds a positive, and the batch has a negative for the anchor.
        has_negative: [K, B, T] bool: a negative was mined; implies `is_candidate`.
    """

    positive: Tensor
    negative: Tensor
    is_candidate: Tensor
    has_negative: Tensor


@dataclass(frozen=True)
class PairMasks:
    """Which two different samples of a batch have the same class, and which have not; both [K, B, B] bool."""

    positive: Tensor
    negative: Tensor


def pair_masks(labels: Tensor) -> PairMasks:
    """The masks of positive and negative pairs from labels [K, B]."""
    same = labels.unsqueeze(2) == labels.unsqueeze(1)
    negative = ~same
    positive = same & ~torch.eye(labels.shape[1], dtype=torch.bool, device=labels.device)
    return PairMasks(positive, negative)
