"""A picture of an embedding: its two principal directions, for a few samples of a few classes."""

from __future__ import annotations

import torch
from torch import Tensor

CLASSES, SAMPLES = 10, 300


def sketch(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The first principal components of some of the samples.

    The directions are those of largest variance among the samples shown; each points to where its largest coordinate
    is positive.

    Args:
        embeddings: [K, N, D].
        labels: [K, N] from 0, the same for every member.

    Returns:
        [K, n, 2], and the labels [n] of samples spread evenly over the first `CLASSES` classes, at most `SAMPLES`.
    """
    shown = (labels[0] < CLASSES).nonzero().flatten()
    shown = shown[torch.linspace(0, len(shown) - 1, min(SAMPLES, len(shown)), device=shown.device).round().long()]
    points = embeddings[:, shown].double()
    centred = points - points.mean(1, keepdim=True)
    covariance = torch.bmm(centred.transpose(1, 2), centred)
    usable = covariance.isfinite().flatten(1).all(1)
    covariance = torch.where(usable[:, None, None], covariance, torch.eye(covariance.shape[1], device=points.device))
    directions = torch.linalg.eigh(covariance).eigenvectors[:, :, -2:].flip(2)
    coordinates = torch.bmm(centred, directions)
    largest = coordinates.abs().argmax(1, keepdim=True)
    return coordinates * coordinates.gather(1, largest).sign(), labels[0, shown]
