"""Retrieval metrics: every sample is a query against all the others of its part."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.distances import CrossDistances
from trainables.evaluation.chunks import member_chunks
from trainables.ordering import smallest_columns

RECALL_AT = (1, 2, 4, 8)


def retrieval_metrics(embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Recall@1, 2, 4, 8 and MAP@R by Euclidean distance.

    Recall@K: the share of queries with a sample of their class among the K nearest (Jegou et al. 2011, as used by Oh
    Song et al. 2016). MAP@R: Musgrave, Belongie and Lim, "A metric learning reality check" (2020), section 3.2. A query
    that is alone in its class is left out. Equal distances rank by position.

    Args:
        embeddings: [K, N, D].
        labels: [K, N].

    Returns:
        ``recall_at_1`` to ``recall_at_8`` and ``map_at_r``, each [K] float64; NaN where no query has a match.
    """
    count, samples = labels.shape
    distances = CrossDistances(embeddings, embeddings)
    per_query: list[Tensor] = []
    for members, queries in member_chunks(count, samples, samples, embeddings.device):
        per_query.append(_query_scores(distances.block(members, queries), labels[members], queries))
    return _collect(per_query, count, samples)


def _query_scores(distances: Tensor, labels: Tensor, queries: slice) -> Tensor:
    """Recall at each K, average precision at R, and whether the query counts: [k, q, len(RECALL_AT) + 2]."""
    own = torch.arange(labels.shape[1], device=distances.device)
    distances.masked_fill_(own[queries].unsqueeze(1) == own, torch.inf)

    query_labels = labels[:, queries].unsqueeze(2)
    relevant = (query_labels == labels.unsqueeze(1)).sum(2) - 1
    deepest = max(int(relevant.max()), *RECALL_AT)
    depth = min(deepest, labels.shape[1] - 1)
    nearest = smallest_columns(distances, depth)
    hits = labels.unsqueeze(1).expand(-1, nearest.shape[1], -1).gather(2, nearest) == query_labels

    recalls = [hits[:, :, :k].any(2).double() for k in RECALL_AT]
    ranks = torch.arange(1, depth + 1, device=hits.device)
    counted = hits & (ranks <= relevant.unsqueeze(2))
    precision = counted.cumsum(2) / ranks
    # A running sum, which the zeros beyond a query's last rank do not change: how many there are depends on the other
    # members of a pack.
    average = (precision * counted).cumsum(2)[:, :, -1:].sum(2).double() / relevant.clamp_min(1)
    return torch.stack([*recalls, average, (relevant > 0).double()], dim=2)


def _collect(parts: list[Tensor], members: int, samples: int) -> dict[str, Tensor]:
    scores = torch.cat([part.flatten(0, 1) for part in parts]).view(members, samples, -1)
    valid = scores[:, :, -1:]
    means = (scores[:, :, :-1] * valid).sum(1) / valid.sum(1)
    names = [*(f"recall_at_{k}" for k in RECALL_AT), "map_at_r"]
    return dict(zip(names, means.unbind(1), strict=True))
