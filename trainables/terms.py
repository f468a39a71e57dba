"""What a loss returns: its value for each member, and how much of the batch took part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """How many candidates of one kind there were, and how many of them had a term above zero; both [K]."""

    active: Tensor
    candidates: Tensor


@dataclass(frozen=True)
class Terms:
    """A loss on one batch of each member.

    Attributes:
        loss: [K], differentiable: the mean over all candidates, active or not; zero where there are none.
        own: The loss's own candidates: pairs (contrastive) or triplets (triplet).
        kinds: ``anchors``, in the one unit that both losses share: the samples to which the miner offers a positive and
            a negative, active where at least one term that they anchor is; and of the contrastive loss
            ``positive_pairs`` and ``negative_pairs`` apart.
    """

    loss: Tensor
    own: Share
    kinds: Mapping[str, Share]


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distances: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return grads[0][:, None, None] * gradient, None, None


def mean_over_candidates(distances: Tensor, total: Tensor, slopes: Tensor, candidates: Tensor) -> Tensor:
    """The mean of a sum whose gradient is known in closed form. This is the study's only reduction.

    Args:
        distances: [K, B, B] squared distances, the differentiable input.
        total: [K] sum of the terms.
        slopes: [K, B, B] derivative of `total` by `distances`.
        candidates: [K] number of terms, zero terms included.

    Returns:
        [K], zero where a member has no candidate.
    """
    count = candidates.clamp_min(1).to(total.dtype)
    loss: Tensor = _WithGradient.apply(distances, total / count, slopes / count[:, None, None])
    return loss
