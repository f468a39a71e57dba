"""Which of the samples nearest to a query have its class: the core of the retrieval metrics."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.pairwise.ordering import smallest_columns, smallest_keys


def hits_among_nearest(distances: Tensor, query_labels: Tensor, labels: Tensor, count: int) -> Tensor:
    """Whether the nearest references have the label of their query, the nearest first.

    Equal distances are ranked by position, as in `smallest_columns`. On the CPU a distance and whether the labels
    differ fit into 32 bits, if no column has to. Where a hit and a miss are equally far, their columns decide, and the
    row is sorted with them.

    Args:
        distances: [K, Q, N], as the values of `argsort_rows`.
        query_labels: [K, Q] integers.
        labels: [K, N] integers, of the references.
        count: How many references, at most N.

    Returns:
        [K, Q, count] bool.
    """
    differs = _narrow(query_labels).unsqueeze(2) != _narrow(labels).unsqueeze(1)
    if distances.dtype != torch.float32 or distances.device.type != "cpu" or count == 0:
        return ~differs.gather(2, smallest_columns(distances, count))
    keys = (distances.contiguous().view(torch.int32) << 1).numpy().view(np.uint32)
    np.bitwise_or(keys, differs.numpy(), out=keys)
    last = min(count, distances.shape[2] - 1)  # one more, to see whether it equals the last that counts
    nearest = smallest_keys(keys, last + 1)
    hits = torch.from_numpy((nearest[..., :count] & 1) == 0)
    changes = nearest[..., 1:] ^ nearest[..., :-1]  # 0 between equal keys, 1 between a hit and a miss equally far
    doubtful = torch.from_numpy((changes == 1).any(-1))
    if count == last:
        doubtful |= torch.from_numpy(changes[..., -1] == 0)
    if bool(doubtful.any()):
        hits[doubtful] = ~differs[doubtful].gather(1, smallest_columns(distances[doubtful], count))
    return hits


def _narrow(labels: Tensor) -> Tensor:
    """Labels that are compared several times as fast on the CPU, if they are small. A GPU would have to be asked."""
    return labels.to(torch.int16) if labels.device.type == "cpu" and int(labels.max()) < 1 << 15 else labels
