"""The triplet loss over every triplet of a batch, exactly, in O(B^2 log B) time and O(B^2) memory.

For one anchor, put the squared distances of its negatives and those of its positives plus the margin in one
ascending row. A positive's active negatives are exactly those before it, so their number and the sum of their
distances are running sums; a negative's active positives are those after it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.ordering import order_rows
from trainables.selection import Relations
from trainables.terms import Share, Terms, mean_over_candidates


def all_triplets_loss(distances: Tensor, related: Relations, margins: Tensor) -> Terms:
    """Mean of max(0, d(a,p)^2 - d(a,n)^2 + margin) over all triplets (a, p, n) of each member's batch.

    Args:
        distances: [K, B, B] squared distances.
        related: Positive and negative pairs of the batch.
        margins: [K].

    Returns:
        Terms with the exact number of active triplets: a triplet whose term is zero is not active.
    """
    positive, negative = related.positive, related.negative
    with torch.no_grad():
        keys = distances + margins[:, None, None] * positive.to(distances.dtype)
        own_column = torch.arange(keys.shape[1], device=keys.device).unsqueeze(1)
        keys = keys.masked_fill_(own_column == own_column.T, torch.inf)
        order = order_rows(keys, second=negative)  # a negative level with a positive's key has a term of zero
        # As floats: on the CPU a product with a mask of booleans is several times slower.
        is_positive = positive.gather(2, order).to(keys.dtype)
        is_negative = negative.gather(2, order).to(keys.dtype)
        sorted_keys = keys.gather(2, order)
        sorted_keys = sorted_keys.masked_fill_(order == own_column, 0.0)

        negatives_before = is_negative.cumsum(2)
        sum_before = (sorted_keys * is_negative).cumsum_(2)
        active_of_positive = negatives_before * is_positive
        hinges = active_of_positive * sorted_keys - sum_before * is_positive
        positives_after = is_positive.sum(2, keepdim=True) - is_positive.cumsum(2)
        slopes = active_of_positive - positives_after * is_negative
        slopes = torch.empty_like(slopes).scatter_(2, order, slopes)

        # Counts of a whole batch pass 2^24, where float32 ends to hold every whole number.
        triplets_of_anchor = is_positive.sum(2).double() * is_negative.sum(2).double()
        active_of_anchor = active_of_positive.sum(2).double()
        own = Share(active_of_anchor.sum(1), triplets_of_anchor.sum(1))
        anchors = Share((active_of_anchor > 0).sum(1), (triplets_of_anchor > 0).sum(1))
    # Rounding may leave a sum of vanishing hinges a little below zero.
    total = hinges.sum(2).sum(1).clamp_min(0.0)
    loss = mean_over_candidates(distances, total, slopes, own.candidates)
    return Terms(loss, own, {"anchors": anchors})
