"""A picture of an embedding: its two principal components, for some samples of a few classes."""

from __future__ import annotations

import torch
from torch import Tensor

CLASSES, SAMPLES = 10, 300


def sketch(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The first two principal components of some of one member's samples.

    They are the directions of largest variance among these samples. The sign of each is chosen so that the coordinate
    with the largest absolute value is positive.

    Args:
        embeddings: [N, D].
        labels: [N] from 0.

    Returns:
        Coordinates [n, 2] and labels [n] of at most `SAMPLES` samples, spread evenly over those of the first `CLASSES`
        classes. If an embedding is not finite, neither are the coordinates.
    """
    shown = (labels < CLASSES).nonzero().flatten()
    shown = shown[torch.linspace(0, len(shown) - 1, min(SAMPLES, len(shown)), device=shown.device).round().long()]
    points = embeddings[shown].double()
    centred = points - points.mean(0)
    covariance = centred.T @ centred
    if not covariance.isfinite().all():
        return torch.full_like(points[:, :2], torch.nan), labels[shown]
    coordinates = centred @ torch.linalg.eigh(covariance).eigenvectors[:, -2:].flip(1)
    largest = coordinates.abs().argmax(0, keepdim=True)
    return coordinates * coordinates.gather(0, largest).sign(), labels[shown]
