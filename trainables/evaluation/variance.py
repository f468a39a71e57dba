"""Intra- and inter-class variance (arXiv 2510.02161, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor


def class_variances(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Intra- and inter-class variance of each member's embeddings.

    Intra-class: the mean over classes of the mean squared distance to the class centroid. Inter-class: the mean squared
    distance between the centroids of two classes. Both grow with the square of the embedding's scale.

    Args:
        embeddings: [K, N, D].
        labels: [K, N] integers; every row has the same number of classes.

    Returns:
        Two tensors [K]; the inter-class variance of a single class is NaN.
    """
    classes, compact = torch.unique(labels, return_inverse=True)
    columns = torch.arange(len(classes), device=labels.device)
    membership = (compact.unsqueeze(1) == columns.unsqueeze(1)).to(embeddings.dtype)
    counts = membership.sum(2)
    centroids = torch.bmm(membership, embeddings) / counts.unsqueeze(2)
    own_centroid = centroids.gather(1, compact.unsqueeze(2).expand_as(embeddings))
    squared = (embeddings - own_centroid).square().sum(2)
    # Sum along the last dimension only. A product with a vector would round differently in packs of another size.
    intra = ((membership * squared.unsqueeze(1)).sum(2) / counts).mean(1)

    centred = centroids - centroids.mean(1, keepdim=True)
    count = len(classes)
    # Over ordered pairs, sum ||mu_c - mu_c'||^2 = 2 C sum ||mu_c - mean||^2.
    inter = centred.square().sum(2).sum(1) * (2.0 / (count - 1) if count > 1 else torch.nan)
    return intra, inter


def variance_metrics(embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The variances, those of the L2-normalised embeddings, and the ratio intra / inter, free of scale; each [K]."""
    intra, inter = class_variances(embeddings, labels)
    unit = torch.nn.functional.normalize(embeddings, dim=2)
    intra_normalized, inter_normalized = class_variances(unit, labels)
    return {
        "intra_variance": intra,
        "inter_variance": inter,
        "intra_variance_normalized": intra_normalized,
        "inter_variance_normalized": inter_normalized,
        "variance_ratio": intra / inter.clamp_min(torch.finfo(inter.dtype).tiny),  # zero if the embedding has collapsed
    }
