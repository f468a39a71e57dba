"""How many epochs a run's loss needs to fall to a given share of the untrained network's loss.

The loss is the run's objective on fixed probe batches of its training data. The mean training loss of an epoch would
not do: it mixes many states of the network, and has no value for the untrained network.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SHARES = {"loss_decay": 0.1, "loss_halving": 0.5}
PROBE_BATCHES = 2


class LossDecay:
    """The decay times of K members, censored at the last epoch."""

    def __init__(self, untrained: Tensor) -> None:
        """Starts from the probe loss [K] of the untrained network."""
        self._untrained = untrained
        self._reached = {name: torch.zeros_like(untrained) for name in SHARES}

    def update(self, epoch: int, losses: Tensor) -> None:
        """Takes the probe loss [K] after an epoch, from 1 on."""
        for name, share in SHARES.items():
            first = (self._reached[name] == 0) & (losses <= share * self._untrained)
            self._reached[name] = torch.where(first, float(epoch), self._reached[name])

    def state(self) -> dict[str, Tensor]:
        """What `from_state` needs."""
        return {"untrained": self._untrained, **self._reached}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> LossDecay:
        """Continues from the result of `state`."""
        decay = cls(state["untrained"])
        decay._reached = {name: state[name] for name in SHARES}
        return decay

    def metrics(self, last_epoch: int) -> dict[str, Tensor]:
        """For each share: the first epoch T whose loss is at or below it, as min(T, E), and 1 if it is censored.

        Args:
            last_epoch: E, the last epoch of training.
        """
        result = {}
        for name, reached in self._reached.items():
            censored = reached == 0
            result[f"{name}_epochs"] = torch.where(censored, float(last_epoch), reached)
            result[f"{name}_censored"] = censored.to(reached.dtype)
        return result
