"""Retrieval metrics: every sample is a query, and all other samples of its part are the references."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.evaluation.chunks import Chunk, distance_chunks
from trainables.pairwise.hits import hits_among_nearest

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
    relevant = others_of_class(labels)
    return averaged([retrieval_scores(chunk, labels, relevant) for chunk in distance_chunks(embeddings)], labels)


def others_of_class(labels: Tensor) -> Tensor:
    """How many other samples each sample's class has, [K, N], for labels [K, N] from 0."""
    of_class = labels.new_zeros(len(labels), int(labels.max()) + 1).scatter_add_(1, labels, torch.ones_like(labels))
    return of_class.gather(1, labels) - 1


def retrieval_scores(chunk: Chunk, labels: Tensor, relevant: Tensor) -> Tensor:
    """The scores of some queries.

    Args:
        chunk: Their distances to all samples of their part.
        labels: [K, N].
        relevant: Of `others_of_class`.

    Returns:
        [k, q, len(RECALL_AT) + 2] float64: recall at each K, average precision at R, and whether it is a query.
    """
    relevant = relevant[chunk.members, chunk.queries]
    depth = min(max(int(relevant.max()), *RECALL_AT), chunk.choices)
    hits = hits_among_nearest(chunk.distances, labels[chunk.members, chunk.queries], labels[chunk.members], depth)

    recalls = [hits[:, :, :k].any(2).double() for k in RECALL_AT]
    ranks = torch.arange(1, depth + 1, device=hits.device)
    counted = hits & (ranks <= relevant.unsqueeze(2))
    precision = counted.cumsum(2) / ranks
    # `depth` depends on the other members of the pack. A running sum is not changed by more zeros at its end.
    average = (precision * counted).cumsum(2)[:, :, -1:].sum(2).double() / relevant.clamp_min(1)
    return torch.stack([*recalls, average, (relevant > 0).double()], dim=2)


def averaged(scores_of_chunks: list[Tensor], labels: Tensor) -> dict[str, Tensor]:
    """The means of `retrieval_scores` over queries, by metric, each [K] float64.

    Args:
        scores_of_chunks: Of all chunks, in their order.
        labels: [K, N].
    """
    scores = torch.cat([chunk.flatten(0, 1) for chunk in scores_of_chunks]).view(*labels.shape, -1)
    valid = scores[:, :, -1:]
    means = (scores[:, :, :-1] * valid).sum(1) / valid.sum(1)
    names = [*(f"recall_at_{k}" for k in RECALL_AT), "map_at_r"]
    return dict(zip(names, means.unbind(1), strict=True))
