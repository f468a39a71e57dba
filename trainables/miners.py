"""Miners: which anchors, positives and negatives of a batch a loss sees.

A miner knows nothing of the loss. Both losses consume the same selection (the contrastive loss as its distinct
pairs), so a miner means the same for both. Where a miner needs a margin it is the run's, on squared distances.
All distances are squared Euclidean, and every miner works in O(B^2 log B) time and O(B^2) memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.distances import cross_squared_distances
from trainables.ordering import invert_order, order_rows
from trainables.selection import AllCandidates, Relations, Selection


@dataclass(frozen=True)
class Batch:
    """What a miner may look at; nothing here carries a gradient.

    Attributes:
        distances: [K, B, B] squared distances of the embeddings that the loss sees.
        embeddings: [K, B, D] those embeddings.
        relations: Positive and negative pairs.
        margins: [K].
        uniforms: [K, B, B] in [0, 1), for the miners that draw; None for the others.
    """

    distances: Tensor
    embeddings: Tensor
    relations: Relations
    margins: Tensor
    uniforms: Tensor | None


def mine_all(batch: Batch) -> AllCandidates:
    """Every pair and every triplet of the batch."""
    return AllCandidates()


def mine_random(batch: Batch) -> Selection:
    """For each anchor-positive pair, a negative drawn uniformly."""
    negative = batch.relations.negative
    ranks = order_rows((~negative).to(torch.float32))
    count = negative.sum(2, keepdim=True)
    drawn = (_uniforms(batch) * count).long().minimum((count - 1).clamp_min(0))
    return _one_negative_a_pair(batch, ranks.gather(2, drawn))


def mine_semihard(batch: Batch) -> Selection:
    """For each anchor-positive pair, the closest negative that is farther than the positive and within the margin.

    d(a,p)^2 < d(a,n)^2 < d(a,p)^2 + margin, after Schroff, Kalenichenko and Philbin, "FaceNet" (2015), section 3.2.
    A pair without such a negative selects none.
    """
    positive, negative = batch.relations.positive, batch.relations.negative
    size = positive.shape[2]
    distances = batch.distances.masked_fill(~(positive | negative), torch.inf)
    order = order_rows(distances, second=positive)  # a negative at the same distance is not farther: it comes first
    slots = torch.arange(size, device=order.device).expand_as(order)
    rank_of_negative = slots.masked_fill(~negative.gather(2, order), size)
    next_negative = rank_of_negative.flip(2).cummin(2).values.flip(2)
    found = next_negative.gather(2, invert_order(order))
    closest = order.gather(2, found.clamp_max(size - 1))
    limit = batch.distances + batch.margins[:, None, None]
    within = (found < size) & (batch.distances.gather(2, closest) < limit)
    return _one_negative_a_pair(batch, closest, within)


def mine_hard(batch: Batch) -> Selection:
    """For each anchor its farthest positive and its closest negative.

    "Batch hard" of Hermans, Beyer and Leibe, "In defense of the triplet loss" (2017), equation 5.
    """
    positive, negative = batch.relations.positive, batch.relations.negative
    farthest = batch.distances.masked_fill(~positive, -1.0).argmax(2, keepdim=True)
    closest = batch.distances.masked_fill(~negative, torch.inf).argmin(2, keepdim=True)
    offered = _any(positive) & _any(negative)
    return Selection(farthest, closest, offered, offered)


def mine_distance_weighted(batch: Batch, cutoff: float = 0.5, zero_loss_cutoff: float = 1.4) -> Selection:
    """For each anchor-positive pair, a negative drawn with a weight inverse to how common its distance is.

    Wu, Manmatha, Smola and Krahenbuhl, "Sampling matters in deep embedding learning" (2017), section 4: on the unit
    sphere in n dimensions distances have density q(d) ~ d^(n-2) (1 - d^2/4)^((n-3)/2); weights are 1/q(d) with d at
    least `cutoff`, and zero from `zero_loss_cutoff` on. Distances are taken between L2-normalised embeddings, whether
    or not the loss's are.
    """
    weights = distance_weights(batch.embeddings, batch.relations.negative, cutoff, zero_loss_cutoff)
    cumulative = weights.cumsum(2)
    total = cumulative[:, :, -1:]
    drawn = torch.searchsorted(cumulative, _uniforms(batch) * total, right=True)
    # Rounding can put a draw on the total itself; the last column with a weight is meant then.
    last = (cumulative < total).sum(2, keepdim=True).clamp_max(weights.shape[2] - 1)
    return _one_negative_a_pair(batch, drawn.minimum(last), total > 0)


def distance_weights(embeddings: Tensor, negative: Tensor, cutoff: float, zero_loss_cutoff: float) -> Tensor:
    """Unnormalised weights [K, B, B] of the negatives; each row's largest is 1, or the row is zero."""
    dim = embeddings.shape[2]
    unit = torch.nn.functional.normalize(embeddings, dim=2)
    squared = cross_squared_distances(unit, unit).clamp_min(cutoff**2)
    allowed = negative & (squared < zero_loss_cutoff**2)
    flatness = (1.0 - 0.25 * squared).clamp_min(torch.finfo(squared.dtype).tiny)
    log_weights = -0.5 * (dim - 2.0) * squared.log() - 0.5 * (dim - 3.0) * flatness.log()
    log_weights = log_weights.masked_fill(~allowed, -torch.inf)
    highest = log_weights.amax(2, keepdim=True).nan_to_num(neginf=0.0)
    return (log_weights - highest).exp()


MINERS: dict[str, Callable[[Batch], Selection | AllCandidates]] = {
    "all": mine_all,
    "random": mine_random,
    "semihard": mine_semihard,
    "hard": mine_hard,
    "distance_weighted": mine_distance_weighted,
}

DRAWING_MINERS = frozenset({"random", "distance_weighted"})


def _uniforms(batch: Batch) -> Tensor:
    if batch.uniforms is None:
        raise ValueError("this miner draws negatives: the batch needs uniforms")
    return batch.uniforms


def _any(mask: Tensor) -> Tensor:
    """Whether a row of [K, B, B] has a True, [K, B, 1]; on the CPU several times faster than `any`."""
    return mask.sum(2, keepdim=True) > 0


def _one_negative_a_pair(batch: Batch, negative: Tensor, found: Tensor | None = None) -> Selection:
    pairs = batch.relations.positive
    columns = torch.arange(pairs.shape[2], device=pairs.device).expand_as(pairs)
    offered = pairs & _any(batch.relations.negative)
    return Selection(columns, negative, offered, offered if found is None else offered & found)
