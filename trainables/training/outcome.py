"""What happened to a run: whether its embeddings collapsed, or it was satisfied with its negatives.

A run is *collapsed* after an epoch if its embeddings lie so close together that the loss no longer tells them apart:
within the probe batches (see `loss_decay`) the largest distance is at most a tenth of the margin, on the margin's
scale, and the largest squared distance at most a tenth of the untrained network's. The loss then stands still: that of
triplets at the margin, that of pairs at what its negatives cost there. A fixed limit such as 1e-6 would miss most
collapses, because the embeddings still jitter with each step.

A run is *satisfied* in an epoch if none of the epoch's candidates is an active negative term and it is not collapsed:
no negative pair lies within the margin, or no triplet has a term. A triplet loss is then zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

COLLAPSED_SHARE = 0.1  # of the margin, and of the untrained network's largest squared distance
_OUTCOMES = ("collapsed", "satisfied")


class Outcome:
    """Since which epoch K members are collapsed, or satisfied."""

    def __init__(self, limit: Tensor) -> None:
        """Starts from the largest squared distance [K] that counts as collapsed."""
        self._limit = limit
        self._since = {name: torch.zeros_like(limit) for name in _OUTCOMES}

    @classmethod
    def of_untrained(cls, largest: Tensor, margins: Tensor, margin_power: int) -> Outcome:
        """Starts from the untrained network.

        Args:
            largest: [K], its largest squared distance within the probe batches.
            margins: [K].
            margin_power: See `trainables.objectives.losses.Loss`.
        """
        margin_limit = COLLAPSED_SHARE * margins
        squared_limit = margin_limit if margin_power == 2 else margin_limit.square()
        return cls(torch.minimum(squared_limit, COLLAPSED_SHARE * largest))

    def update(self, epoch: int, largest: Tensor, active_negatives: Tensor) -> None:
        """Takes an epoch, from 1 on.

        Args:
            epoch: Its number.
            largest: [K], the largest squared distance within the probe batches after it.
            active_negatives: [K], the share of its negative terms that were active.
        """
        collapsed = largest <= self._limit
        satisfied = (active_negatives == 0) & ~collapsed
        for name, holds in zip(_OUTCOMES, (collapsed, satisfied), strict=True):
            since = self._since[name]
            self._since[name] = torch.where(holds, torch.where(since > 0, since, float(epoch)), 0.0)

    def state(self) -> dict[str, Tensor]:
        """What `from_state` needs."""
        return {"limit": self._limit, **self._since}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Outcome:
        """Continues from the result of `state`."""
        outcome = cls(state["limit"])
        outcome._since = {name: state[name] for name in _OUTCOMES}
        return outcome

    def metrics(self) -> dict[str, Tensor]:
        """For each outcome that holds after the last epoch, the first epoch from which on it always held; else NaN."""
        return {f"{name}_epoch": torch.where(since > 0, since, torch.nan) for name, since in self._since.items()}
