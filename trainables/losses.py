"""The two losses, as Zeng (arXiv 2510.02161, section 3) defines them, on whatever a miner selects.

The contrastive loss squares the distance of positives and the shortfall (margin - d) of negatives; the triplet loss
compares squared distances. Their margins are therefore not on one scale. Both are means over all candidates.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.all_triplets import all_triplets_loss
from trainables.selection import AllCandidates, Relations, Selection
from trainables.terms import Share, Terms, mean_over_candidates


def contrastive_loss(
    distances: Tensor, related: Relations, selected: Selection | AllCandidates, margins: Tensor
) -> Terms:
    """Mean over distinct pairs of d^2 (positives) and max(0, margin - d)^2 (negatives).

    Args:
        distances: [K, B, B] squared distances.
        related: Positive and negative pairs of the batch.
        selected: What the miner gave. Of a `Selection` each unordered pair counts once; the positive pairs of slots
            without a negative are candidates with a term of zero.
        margins: [K], on the distance itself.

    Returns:
        Terms with the kinds ``positive_pairs``, ``negative_pairs`` and ``anchors``. A negative pair at distance zero
        has a term and, as its direction is undefined, no gradient.
    """
    with torch.no_grad():
        if isinstance(selected, AllCandidates):
            positive = offered = related.positive.triu()
            negative = related.negative.triu()
        else:
            offered = _distinct_pairs(selected.positive, selected.offered, distances)
            positive = _distinct_pairs(selected.positive, selected.filled, distances)
            negative = _distinct_pairs(selected.negative, selected.filled, distances)
        plain = distances.sqrt()
        shortfall = (margins[:, None, None] - plain).clamp_min_(0.0) * negative.to(plain.dtype)
        pulled = positive.to(plain.dtype)
        attraction = distances * pulled
        total = (attraction + shortfall.square()).sum(2).sum(1)
        slopes = pulled - torch.where(plain > 0, shortfall / plain, 0.0)

        active_positive, active_negative = attraction > 0, shortfall > 0
        positives = Share(active_positive.sum(2).sum(1), offered.sum(2).sum(1))
        negatives = Share(active_negative.sum(2).sum(1), negative.sum(2).sum(1))
        own = Share(positives.active + negatives.active, positives.candidates + negatives.candidates)
        if isinstance(selected, AllCandidates):
            anchor = (related.positive.sum(2) > 0) & (related.negative.sum(2) > 0)
            active_anchor = anchor & _in_a_pair(active_positive | active_negative)
        else:
            anchor = selected.offered.sum(2) > 0
            active_term = (distances.gather(2, selected.positive) > 0) | (
                plain.gather(2, selected.negative) < margins[:, None, None]
            )
            active_anchor = (selected.filled & active_term).sum(2) > 0
        anchors = Share(active_anchor.sum(1), anchor.sum(1))
    loss = mean_over_candidates(distances, total, slopes, own.candidates)
    return Terms(loss, own, {"positive_pairs": positives, "negative_pairs": negatives, "anchors": anchors})


def triplet_loss(distances: Tensor, related: Relations, selected: Selection | AllCandidates, margins: Tensor) -> Terms:
    """Mean over triplets of max(0, d(a,p)^2 - d(a,n)^2 + margin).

    Args and returns as for `contrastive_loss`, with the margin on squared distances and ``anchors`` alone for
    kinds. Slots without a negative are candidates with a term of zero.
    """
    if isinstance(selected, AllCandidates):
        return all_triplets_loss(distances, related, margins)
    with torch.no_grad():
        to_positive = distances.gather(2, selected.positive)
        to_negative = distances.gather(2, selected.negative)
        hinge = (to_positive - to_negative + margins[:, None, None]).clamp_min_(0.0)
        hinge = hinge * selected.filled.to(hinge.dtype)
        active = hinge > 0
        unit = active.to(distances.dtype)
        slopes = torch.zeros_like(distances).scatter_add_(2, selected.positive, unit)
        slopes.scatter_add_(2, selected.negative, -unit)
        own = Share(active.sum(2).sum(1), selected.offered.sum(2).sum(1))
        anchors = Share((unit.sum(2) > 0).sum(1), (selected.offered.sum(2) > 0).sum(1))
    loss = mean_over_candidates(distances, hinge.sum(2).sum(1), slopes, own.candidates)
    return Terms(loss, own, {"anchors": anchors})


LOSSES: dict[str, Callable[[Tensor, Relations, Selection | AllCandidates, Tensor], Terms]] = {
    "contrastive": contrastive_loss,
    "triplet": triplet_loss,
}


def _distinct_pairs(columns: Tensor, chosen: Tensor, like: Tensor) -> Tensor:
    """Unordered pairs {anchor, column} as an upper triangle, [K, B, B] bool."""
    marks = torch.zeros_like(like).scatter_add_(2, columns, chosen.to(like.dtype))
    return (marks + marks.transpose(1, 2)).triu_() > 0


def _in_a_pair(pairs: Tensor) -> Tensor:
    """Whether a sample stands in at least one of the pairs [K, B, B]; [K, B]."""
    marks = pairs.to(torch.float32)  # sums of floats are several times faster than `any` on the CPU
    return marks.sum(2) + marks.sum(1) > 0
