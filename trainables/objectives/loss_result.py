"""What a loss returns: its value for each member, and how many of its candidates were active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class ActiveCount:
    """How many candidates of one kind there were, and how many of them had a term above zero; both [K]."""

    active: Tensor
    candidates: Tensor


@dataclass(frozen=True)
class LossResult:
    """A loss on one batch of each member.

    Attributes:
        loss: [K], differentiable: the mean over all candidates, active or not; zero if there are none.
        overall: All candidates of the loss: pairs (contrastive) or triplets (triplet).
        by_kind: ``anchors``, ``negatives`` and ``negative_anchors``; for the contrastive loss also ``positive_pairs``
            and ``negative_pairs``. Both losses count anchors in the same way: an anchor is a sample for which the miner
            has a positive and a negative. It is active if one of its terms is; of the ``negative_anchors``, if one of
            its terms with a negative is. ``negatives`` are the terms with a negative: negative pairs, or triplets.
    """

    loss: Tensor
    overall: ActiveCount
    by_kind: Mapping[str, ActiveCount]


def triplet_counts(triplets: ActiveCount, anchors: ActiveCount) -> dict[str, ActiveCount]:
    """The counts by kind of a loss over triplets, each of which has a negative."""
    return {"anchors": anchors, "negatives": triplets, "negative_anchors": anchors}


class _KnownGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distances: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return grads[0][:, None, None] * gradient, None, None


def mean_over_candidates(distances: Tensor, total: Tensor, gradient: Tensor, candidates: Tensor) -> Tensor:
    """The mean of the terms, from their sum and its known gradient. Both losses use only this reduction.

    Args:
        distances: [K, B, B] squared distances, the differentiable input.
        total: [K] sum of the terms.
        gradient: [K, B, B] derivative of `total` with respect to `distances`.
        candidates: [K] number of terms, including terms of zero.

    Returns:
        [K], zero for a member without candidates.
    """
    count = candidates.clamp_min(1).to(total.dtype)
    loss: Tensor = _KnownGradient.apply(distances, total / count, gradient / count[:, None, None])
    return loss
