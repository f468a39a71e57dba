"""Squared Euclidean distances within the batches of a pack, with their gradient in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _SquaredDistances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor) -> Tensor:
        ctx.save_for_backward(embeddings)
        return cross_squared_distances(embeddings, embeddings)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (embeddings,) = ctx.saved_tensors
        both = grads[0] + grads[0].transpose(1, 2)
        # d||a - b||^2 / da = 2 (a - b), summed over all b with weight (G + G^T).
        return torch.baddbmm(both.sum(2, keepdim=True) * embeddings, both, embeddings, alpha=-1.0).mul_(2.0)


def squared_distances(embeddings: Tensor) -> Tensor:
    """All pairwise squared Euclidean distances of each member's batch.

    Args:
        embeddings: [K, B, D].

    Returns:
        [K, B, B], differentiable. No value is negative, and the diagonal is exactly zero.
    """
    result: Tensor = _SquaredDistances.apply(embeddings)
    diagonal = torch.eye(result.shape[1], dtype=torch.bool, device=result.device)
    return result.masked_fill(diagonal, 0.0)


def cross_squared_distances(queries: Tensor, references: Tensor) -> Tensor:
    """Squared Euclidean distances [K, Q, N] between queries [K, Q, D] and references [K, N, D].

    Both are centred first. This does not change distances, and it makes rounding errors smaller for embeddings far from
    the origin.
    """
    return CrossDistances(queries, references).block(slice(None), slice(None))


class CrossDistances:
    """The distances of `cross_squared_distances`, computed block by block."""

    def __init__(self, queries: Tensor, references: Tensor) -> None:
        """Prepares queries [K, Q, D] and references [K, N, D]."""
        centre = references.mean(1, keepdim=True)
        self._queries, self._references = queries - centre, references - centre
        self._query_squares = (self._queries * self._queries).sum(2)
        self._reference_squares = (self._references * self._references).sum(2)

    def block(self, members: slice, queries: slice) -> Tensor:
        """Squared distances [k, q, N] for some members and some of their queries."""
        squares = self._query_squares[members, queries].unsqueeze(2) + self._reference_squares[members].unsqueeze(1)
        references = self._references[members].transpose(1, 2)
        # Adding zero turns -0.0 into 0.0, because `ordering` needs values without a sign bit.
        return squares.baddbmm_(self._queries[members, queries], references, alpha=-2.0).clamp_min_(0.0).add_(0.0)
