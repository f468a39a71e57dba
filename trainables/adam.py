"""Adam for a pack: every member steps with a learning rate of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from torch.optim.adam import adam

from trainables.parameters import StackedParameters


@dataclass(frozen=True)
class StackedAdam:
    """Adam (Kingma and Ba 2015, algorithm 1) over K members; neighbours of equal learning rate step in one call.

    Adam works element by element, so stacking changes nothing but the number of calls. The arithmetic is that of
    torch's functional form: its `Optimizer` class would first import torch's compiler, seconds in every new process.

    Attributes:
        parameters: Of the members.
        blocks: Stretches of neighbours, and their learning rate.
        means: [K, P], running means of the gradients.
        squares: [K, P], running means of their squares.
        steps: [K], taken so far.
    """

    parameters: StackedParameters
    blocks: tuple[tuple[slice, float], ...]
    means: Tensor
    squares: Tensor
    steps: Tensor

    @torch.no_grad()
    def step(self) -> None:
        """Moves each member against its gradient."""
        for block, lr in self.blocks:
            adam(
                [self.parameters.values[block]],
                [self.parameters.gradients[block]],
                [self.means[block]],
                [self.squares[block]],
                [],
                [self.steps[block.start]],
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=lr,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to go on from here."""
        return {"means": self.means, "squares": self.squares, "steps": self.steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a state of an optimiser of the same members."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


def stacked_adam(parameters: StackedParameters, lrs: Sequence[float]) -> StackedAdam:
    """Adam at its start, with a learning rate for each of K members."""
    blocks, start = [], 0
    for lr, neighbours in groupby(lrs):
        end = start + len(list(neighbours))
        blocks.append((slice(start, end), lr))
        start = end
    zeros = torch.zeros_like(parameters.values)
    return StackedAdam(parameters, tuple(blocks), zeros, zeros.clone(), zeros.new_zeros(len(lrs)))
