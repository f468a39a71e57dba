"""Miners choose the anchors, positives and negatives of a batch that a loss sees.

A miner does not know the loss. A loss over pairs takes the distinct pairs of the mined triplets. All distances are
squared Euclidean. The miners in `MARGIN_MINERS` take the run's margin, on the scale of the loss that uses it: on d or
on d^2. The other miners give all losses the same triplets. Every miner needs O(B^2 log B) time and O(B^2) memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.objectives.candidates import AllCandidates, MinedTriplets, PairMasks
from trainables.pairwise.distances import cross_squared_distances
from trainables.pairwise.ordering import argsort_rows, invert_permutation


@dataclass(frozen=True)
class MinerInput:
    """A batch as a miner gets it, without gradients.

    Attributes:
        distances: [K, B, B] squared distances between the embeddings.
        embeddings: [K, B, D], the same that the loss sees.
        masks: Positive and negative pairs.
        margins: [K].
        margin_power: 1 if the margins are on the distance d, 2 if they are on d^2 (see `losses.Loss`).
        uniforms: [K, B, B] random numbers in [0, 1) for the miners in `RANDOM_MINERS`; None for the others.
    """

    distances: Tensor
    embeddings: Tensor
    masks: PairMasks
    margins: Tensor
    margin_power: int
    uniforms: Tensor | None


def mine_all(batch: MinerInput) -> AllCandidates:
    """Every pair and every triplet of the batch."""
    return AllCandidates()


def mine_random(batch: MinerInput) -> MinedTriplets:
    """For each anchor-positive pair, a negative drawn uniformly."""
    negative = batch.masks.negative
    order = argsort_rows((~negative).to(torch.float32))
    count = negative.sum(2, keepdim=True)
    drawn = (_uniforms(batch) * count).long().minimum((count - 1).clamp_min(0))
    return _all_pairs_with(batch, order.gather(2, drawn))


def mine_semihard(batch: MinerInput) -> MinedTriplets:
    """For each anchor-positive pair, the closest negative that is farther than the positive but within the margin.

    d(a,p)^P < d(a,n)^P < d(a,p)^P + margin, where P is the power of the margin. P = 2 is the window of Schroff,
    Kalenichenko and Philbin, "FaceNet" (2015), section 3.2. A pair without such a negative gets none.
    """
    positive, negative = batch.masks.positive, batch.masks.negative
    size = positive.shape[2]
    distances = batch.distances.masked_fill(~(positive | negative), torch.inf)
    order = argsort_rows(distances, tie_break=positive)  # a negative at the same distance is not farther: sort it first
    ranks = torch.arange(size, device=order.device).expand_as(order)
    rank_of_negative = ranks.masked_fill(~negative.gather(2, order), size)
    next_negative = rank_of_negative.flip(2).cummin(2).values.flip(2)
    rank = next_negative.gather(2, invert_permutation(order))
    closest = order.gather(2, rank.clamp_max(size - 1))
    on_margin_scale = batch.distances if batch.margin_power == 2 else batch.distances.sqrt()
    limit = on_margin_scale + batch.margins[:, None, None]
    within = (rank < size) & (on_margin_scale.gather(2, closest) < limit)
    return _all_pairs_with(batch, closest, within)


def mine_hard(batch: MinerInput) -> MinedTriplets:
    """For each anchor, its farthest positive and its closest negative.

    "Batch hard" of Hermans, Beyer and Leibe, "In defense of the triplet loss" (2017), equation 5.
    """
    positive, negative = batch.masks.positive, batch.masks.negative
    farthest = batch.distances.masked_fill(~positive, -1.0).argmax(2, keepdim=True)
    closest = batch.distances.masked_fill(~negative, torch.inf).argmin(2, keepdim=True)
    is_candidate = _any_in_row(positive) & _any_in_row(negative)
    return MinedTriplets(farthest, closest, is_candidate, is_candidate)


def mine_distance_weighted(batch: MinerInput, cutoff: float = 0.5, zero_loss_cutoff: float = 1.4) -> MinedTriplets:
    """For each anchor-positive pair, a random negative; rare distances get large weights.

    Wu, Manmatha, Smola and Krahenbuhl, "Sampling matters in deep embedding learning" (2017), section 4. On the unit
    sphere in n dimensions, distances have density q(d) ~ d^(n-2) (1 - d^2/4)^((n-3)/2). The weight is 1/q(d), with d
    raised to at least `cutoff`. It is zero where d is `zero_loss_cutoff` or more. The distances are those of
    L2-normalised embeddings, even if the loss uses embeddings without normalisation.
    """
    weights = distance_weights(batch.embeddings, batch.masks.negative, cutoff, zero_loss_cutoff)
    cumulative = weights.cumsum(2)
    total = cumulative[:, :, -1:]
    drawn = torch.searchsorted(cumulative, _uniforms(batch) * total, right=True)
    # Rounding can make a draw equal to the total. Then take the last column with a weight.
    last = (cumulative < total).sum(2, keepdim=True).clamp_max(weights.shape[2] - 1)
    return _all_pairs_with(batch, drawn.minimum(last), total > 0)


def distance_weights(embeddings: Tensor, negative: Tensor, cutoff: float, zero_loss_cutoff: float) -> Tensor:
    """Unnormalised weights [K, B, B] of the negatives. The largest weight of a row is 1, or all are zero."""
    dim = embeddings.shape[2]
    unit = torch.nn.functional.normalize(embeddings, dim=2)
    squared = cross_squared_distances(unit, unit).clamp_min(cutoff**2)
    allowed = negative & (squared < zero_loss_cutoff**2)
    flatness = (1.0 - 0.25 * squared).clamp_min(torch.finfo(squared.dtype).tiny)
    log_weights = -0.5 * (dim - 2.0) * squared.log() - 0.5 * (dim - 3.0) * flatness.log()
    log_weights = log_weights.masked_fill(~allowed, -torch.inf)
    highest = log_weights.amax(2, keepdim=True).nan_to_num(neginf=0.0)
    return (log_weights - highest).exp()


MINERS: dict[str, Callable[[MinerInput], MinedTriplets | AllCandidates]] = {
    "all": mine_all,
    "random": mine_random,
    "semihard": mine_semihard,
    "hard": mine_hard,
    "distance_weighted": mine_distance_weighted,
}

RANDOM_MINERS = frozenset({"random", "distance_weighted"})
MARGIN_MINERS = frozenset({"semihard"})


def _uniforms(batch: MinerInput) -> Tensor:
    if batch.uniforms is None:
        raise ValueError("this miner draws negatives: the batch needs uniforms")
    return batch.uniforms


def _any_in_row(mask: Tensor) -> Tensor:
    """Whether a row of [K, B, B] has a True, [K, B, 1]. On the CPU this is several times faster than `any`."""
    return mask.sum(2, keepdim=True) > 0


def _all_pairs_with(batch: MinerInput, negative: Tensor, found: Tensor | None = None) -> MinedTriplets:
    """Every anchor-positive pair with its negative [K, B, B], where one was found."""
    pairs = batch.masks.positive
    columns = torch.arange(pairs.shape[2], device=pairs.device).expand_as(pairs)
    is_candidate = pairs & _any_in_row(batch.masks.negative)
    has_negative = is_candidate if found is None else is_candidate & found
    return MinedTriplets(columns, negative, is_candidate, has_negative)
