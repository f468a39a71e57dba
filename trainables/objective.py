"""A run's own objective on one batch: its miner, then its loss."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.distances import squared_distances
from trainables.losses import LOSSES
from trainables.miners import MINERS, Batch
from trainables.selection import relations
from trainables.terms import Terms


def objective(
    embeddings: Tensor, labels: Tensor, margins: Tensor, loss: str, miner: str, uniforms: Tensor | None = None
) -> Terms:
    """Mines each member's batch and computes the loss on what was mined.

    Args:
        embeddings: [K, B, D], L2-normalised already where the run asks for it.
        labels: [K, B] integers.
        margins: [K].
        loss: Name in `LOSSES`.
        miner: Name in `MINERS`.
        uniforms: [K, B, B] in [0, 1), needed by the miners in `DRAWING_MINERS`.
    """
    distances = squared_distances(embeddings)
    related = relations(labels)
    with torch.no_grad():
        seen = Batch(distances.detach(), embeddings.detach(), related, margins, uniforms)
        selected = MINERS[miner](seen)
    return LOSSES[loss](distances, related, selected, margins)
