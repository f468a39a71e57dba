"""The triplet loss over every triplet of a batch, exactly, in O(B^2 log B) time and O(B^2) memory.

For one anchor, put the squared distances of its negatives and those of its positives plus the margin in one
ascending row. A positive's active negatives are exactly those before it, so their number and the sum of their
distances are running sums; a negative's active positives are those after it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.objectives.candidates import PairMasks
from trainables.objectives.loss_result import ActiveCount, LossResult, mean_over_candidates, triplet_counts
from trainables.pairwise.ordering import argsort_rows


def all_triplets_loss(distances: Tensor, masks: PairMasks, margins: Tensor) -> LossResult:
    """Mean of max(0, d(a,p)^2 - d(a,n)^2 + margin) over all triplets (a, p, n) of each member's batch.

    Args:
        distances: [K, B, B] squared distances.
        masks: Positive and negative pairs of the batch.
        margins: [K].

    Returns:
        The loss with the exact number of active triplets. A triplet with a term of zero is not active.
    """
    positive, negative = masks.positive, masks.negative
    with torch.no_grad():
        keys = distances + margins[:, None, None] * positive.to(distances.dtype)
        own_column = torch.arange(keys.shape[1], device=keys.device).unsqueeze(1)
        keys = keys.masked_fill_(own_column == own_column.T, torch.inf)
        order = argsort_rows(keys, tie_break=negative)  # if both keys are equal, the term is zero
        # The masks are floats, because a product with booleans is several times slower on the CPU.
        is_positive = positive.gather(2, order).to(keys.dtype)
        is_negative = negative.gather(2, order).to(keys.dtype)
        sorted_keys = keys.gather(2, order)
        sorted_keys = sorted_keys.masked_fill_(order == own_column, 0.0)

        negatives_before = is_negative.cumsum(2)
        sum_before = (sorted_keys * is_negative).cumsum_(2)
        active_of_positive = negatives_before * is_positive
        hinges = active_of_positive * sorted_keys - sum_before * is_positive
        positives_after = is_positive.sum(2, keepdim=True) - is_positive.cumsum(2)
        gradient = active_of_positive - positives_after * is_negative
        gradient = torch.empty_like(gradient).scatter_(2, order, gradient)

        # A batch may have more than 2^24 triplets, and float32 cannot hold every integer above that.
        triplets_of_anchor = is_positive.sum(2).double() * is_negative.sum(2).double()
        active_of_anchor = active_of_positive.sum(2).double()
        overall = ActiveCount(active_of_anchor.sum(1), triplets_of_anchor.sum(1))
        anchors = ActiveCount((active_of_anchor > 0).sum(1), (triplets_of_anchor > 0).sum(1))
    # Rounding can make a sum of tiny hinges slightly negative.
    total = hinges.sum(2).sum(1).clamp_min(0.0)
    loss = mean_over_candidates(distances, total, gradient, overall.candidates)
    return LossResult(loss, overall, triplet_counts(overall, anchors))
