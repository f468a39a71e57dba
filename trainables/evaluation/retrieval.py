"""Retrieval metrics: every sample is a query, and all other samples of its part are the references."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.evaluation.chunks import member_chunks
from trainables.pairwise.distances import CrossDistances
from trainables.pairwise.ordering import smallest_columns

RECALL_AT = (1, 2, 4, 8)


def retrieval_metrics(embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Recall@1, 2, 4, 8 and MAP@R by Euclidean distance.

    Recall@K is the share of queries with a sample of their class among the K nearest (Jegou et al. 2011; Oh Song et al.
    2016). MAP@R is defined in Musgrave, Belongie and Lim, "A metric learning reality check" (2020), section 3.2. The
    only sample of a class is not a query. Equal distances are ranked by position.

    Args:
        embeddings: [K, N, D].
        labels: [K, N].

    Returns:
        ``recall_at_1`` to ``recall_at_8`` and ``map_at_r``, each [K] float64; NaN if there are no queries.
    """
    count, samples = labels.shape
    distances = CrossDistances(embeddings, embeddings)
    per_query: list[Tensor] = []
    for members, queries in member_chunks(count, samples, samples, embeddings.device):
        per_query.append(_query_scores(distances.block(members, queries), labels[members], queries))
    return _mean_over_queries(per_query, count, samples)


def _query_scores(distances: Tensor, labels: Tensor, queries: slice) -> Tensor:
    """Recall at each K, average precision at R, and whether the sample is a query: [k, q, len(RECALL_AT) + 2]."""
    positions = torch.arange(labels.shape[1], device=distances.device)
    distances.masked_fill_(positions[queries].unsqueeze(1) == positions, torch.inf)

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
    # `depth` depends on the other members of the pack. A running sum is not changed by more zeros at its end.
    average = (precision * counted).cumsum(2)[:, :, -1:].sum(2).double() / relevant.clamp_min(1)
    return torch.stack([*recalls, average, (relevant > 0).double()], dim=2)


def _mean_over_queries(per_query: list[Tensor], members: int, samples: int) -> dict[str, Tensor]:
    scores = torch.cat([chunk.flatten(0, 1) for chunk in per_query]).view(members, samples, -1)
    valid = scores[:, :, -1:]
    means = (scores[:, :, :-1] * valid).sum(1) / valid.sum(1)
    names = [*(f"recall_at_{k}" for k in RECALL_AT), "map_at_r"]
    return dict(zip(names, means.unbind(1), strict=True))
