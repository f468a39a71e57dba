"""The contrastive and the triplet loss (Zeng, arXiv 2510.02161, section 3) on the candidates of a miner.

The contrastive loss takes its margin on the distance, the triplet loss on squared distances. So the two margins are not
on one scale. Both losses are means over all candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.objectives.all_triplets import all_triplets_loss
from trainables.objectives.candidates import AllCandidates, MinedTriplets, PairMasks
from trainables.objectives.loss_result import ActiveCount, LossResult, mean_over_candidates, triplet_counts


def contrastive_loss(
    distances: Tensor, masks: PairMasks, mined: MinedTriplets | AllCandidates, margins: Tensor
) -> LossResult:
    """Mean over distinct pairs: d^2 for a positive pair, max(0, margin - d)^2 for a negative pair.

    Args:
        distances: [K, B, B] squared distances.
        masks: Positive and negative pairs of the batch.
        mined: The output of the miner. An unordered pair counts once, even if it is in several `MinedTriplets`. A
            positive pair without a mined negative is a candidate with a term of zero.
        margins: [K], on the distance, not on its square.

    Returns:
        The loss with all counts that `LossResult` names. A negative pair is active within the margin; at distance zero
        it has a term but no gradient, because its direction is undefined.
    """
    with torch.no_grad():
        # Masks are floats: on the CPU, sums and products of them are several times as fast as those of booleans.
        if isinstance(mined, AllCandidates):
            positive = positive_candidates = masks.positive.to(distances.dtype).triu_()
            negative = masks.negative.to(distances.dtype).triu_()
        else:
            positive_candidates = _distinct_pairs(mined.positive, mined.is_candidate, distances)
            positive = _distinct_pairs(mined.positive, mined.has_negative, distances)
            negative = _distinct_pairs(mined.negative, mined.has_negative, distances)
        roots = distances.sqrt()
        hinges = (margins[:, None, None] - roots).clamp_min_(0.0).mul_(negative)
        positive_terms = distances * positive
        total = (positive_terms + hinges.square()).sum(2).sum(1)
        gradient = positive - torch.where(roots > 0, hinges / roots, 0.0)

        positives = ActiveCount(_count(positive_terms.sign()), _count(positive_candidates))
        negatives = ActiveCount(_count(hinges.sign()), _count(negative))
        overall = ActiveCount(positives.active + negatives.active, positives.candidates + negatives.candidates)
        if isinstance(mined, AllCandidates):
            anchor = _is_in_one(positive) & _is_in_one(negative)
            with_positive, with_negative = anchor & _is_in_one(positive_terms), anchor & _is_in_one(hinges)
        else:
            anchor = mined.is_candidate.sum(2) > 0
            near = mined.has_negative & (roots.gather(2, mined.negative) < margins[:, None, None])
            apart = mined.has_negative & (distances.gather(2, mined.positive) > 0)
            with_positive, with_negative = apart.sum(2) > 0, near.sum(2) > 0
        candidates = anchor.sum(1)
        kinds = {
            "positive_pairs": positives,
            "negative_pairs": negatives,
            "negatives": negatives,
            "anchors": ActiveCount((with_positive | with_negative).sum(1), candidates),
            "negative_anchors": ActiveCount(with_negative.sum(1), candidates),
        }
    loss = mean_over_candidates(distances, total, gradient, overall.candidates)
    return LossResult(loss, overall, kinds)


def triplet_loss(
    distances: Tensor, masks: PairMasks, mined: MinedTriplets | AllCandidates, margins: Tensor
) -> LossResult:
    """Mean over triplets of max(0, d(a,p)^2 - d(a,n)^2 + margin).

    The arguments are those of `contrastive_loss`, with the margins on squared distances. Every term has a negative. A
    positive pair without a mined negative is a candidate with a term of zero.
    """
    if isinstance(mined, AllCandidates):
        return all_triplets_loss(distances, masks, margins)
    with torch.no_grad():
        to_positive = distances.gather(2, mined.positive)
        to_negative = distances.gather(2, mined.negative)
        hinges = (to_positive - to_negative + margins[:, None, None]).clamp_min_(0.0)
        hinges = hinges * mined.has_negative.to(hinges.dtype)
        active = hinges > 0
        ones = active.to(distances.dtype)
        gradient = torch.zeros_like(distances).scatter_add_(2, mined.positive, ones)
        gradient.scatter_add_(2, mined.negative, -ones)
        overall = ActiveCount(active.sum(2).sum(1), mined.is_candidate.sum(2).sum(1))
        anchors = ActiveCount((ones.sum(2) > 0).sum(1), (mined.is_candidate.sum(2) > 0).sum(1))
    loss = mean_over_candidates(distances, hinges.sum(2).sum(1), gradient, overall.candidates)
    return LossResult(loss, overall, triplet_counts(overall, anchors))


@dataclass(frozen=True)
class Loss:
    """A loss and the scale of its margin.

    Attributes:
        function: From squared distances, masks, mined candidates and margins, as for `contrastive_loss`.
        margin_power: 1 if its margin is on the distance d, 2 if it is on d^2. A miner's margin window is on the same
            scale.
    """

    function: Callable[[Tensor, PairMasks, MinedTriplets | AllCandidates, Tensor], LossResult]
    margin_power: int


LOSSES = {"contrastive": Loss(contrastive_loss, margin_power=1), "triplet": Loss(triplet_loss, margin_power=2)}


def _distinct_pairs(columns: Tensor, chosen: Tensor, like: Tensor) -> Tensor:
    """The unordered pairs {anchor, column} of the chosen slots, 1 in an upper triangle [K, B, B] of zeros."""
    marks = torch.zeros_like(like).scatter_add_(2, columns, chosen.to(like.dtype))
    return (marks + marks.transpose(1, 2)).triu_().clamp_max_(1.0)


def _count(marks: Tensor) -> Tensor:
    """The sum [K] of ones and zeros [K, B, B], exact also above 2^24."""
    return marks.sum(2).sum(1, dtype=torch.float64)


def _is_in_one(pairs: Tensor) -> Tensor:
    """Whether a sample is in a pair with a value above zero, [K, B], from values [K, B, B], none below zero."""
    return pairs.sum(2) + pairs.sum(1) > 0
