"""Gaussian clusters with adjustable spread, label overlap and outliers (after arXiv 2510.02161, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SyntheticOptions:
    """How the clusters are drawn.

    Attributes:
        classes: Number of clusters.
        samples_per_class: Samples in each.
        dim: Dimension of a sample.
        separation: Standard deviation of a cluster centre's coordinates.
        spread: Standard deviation of a sample's coordinates around its centre.
        overlap: Share of the samples that lie in another class's cluster.
        outliers: Share of the samples whose spread is five times as large.
    """

    classes: int = 10
    samples_per_class: int = 200
    dim: int = 128
    separation: float = 0.3
    spread: float = 1.0
    overlap: float = 0.05
    outliers: float = 0.02


def make_clusters(options: SyntheticOptions, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws inputs [N, dim] float32 and labels [N] int64."""
    labels = torch.arange(options.classes).repeat_interleave(options.samples_per_class)
    count = len(labels)
    centres = torch.randn(options.classes, options.dim, generator=generator) * options.separation
    other = (labels + torch.randint(1, options.classes, (count,), generator=generator)) % options.classes
    cluster = torch.where(torch.rand(count, generator=generator) < options.overlap, other, labels)
    outlier = torch.rand(count, generator=generator) < options.outliers
    spread = torch.where(outlier, 5.0 * options.spread, options.spread)
    noise = torch.randn(count, options.dim, generator=generator)
    return centres[cluster] + spread.unsqueeze(1) * noise, labels
