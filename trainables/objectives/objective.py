"""The objective of a run on one batch: its miner, then its loss."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.objectives.candidates import pair_masks
from trainables.objectives.loss_result import LossResult
from trainables.objectives.losses import LOSSES
from trainables.objectives.miners import MARGIN_MINERS, MINERS, MinerInput
from trainables.pairwise.distances import squared_distances


def objective(
    embeddings: Tensor, labels: Tensor, margins: Tensor, loss: str, miner: str, uniforms: Tensor | None = None
) -> LossResult:
    """Mines each member's batch and computes the loss on the mined candidates.

    Args:
        embeddings: [K, B, D], already L2-normalised if the run asks for it.
        labels: [K, B] integers.
        margins: [K].
        loss: Name in `LOSSES`.
        miner: Name in `MINERS`.
        uniforms: [K, B, B] random numbers in [0, 1), for the miners in `RANDOM_MINERS`.

    Raises:
        ValueError: If the miner needs `uniforms` and there are none.
    """
    distances = squared_distances(embeddings)
    masks = pair_masks(labels)
    used = LOSSES[loss]
    batch = MinerInput(distances.detach(), embeddings.detach(), masks, margins, used.margin_power, uniforms)
    with torch.no_grad():
        mined = MINERS[miner](batch)
    return used.function(distances, masks, mined, margins)


def objective_version(loss: str, miner: str) -> int:
    """Which version of their objective a loss and a miner have; runs of two versions are two runs.

    1 is the first. 2: the miner's margin window is on the scale of the loss, and was on squared distances before.
    """
    return 2 if miner in MARGIN_MINERS and LOSSES[loss].margin_power != 2 else 1
