"""Adam for a pack: each member has its own learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from torch.optim.adam import adam

from trainables.networks.parameters import StackedParameters


@dataclass(frozen=True)
class StackedAdam:
    """Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019) over K members.

    Adam works element by element, so it can step several members in one call. This uses torch's functional form,
    because the class `torch.optim.Adam` imports torch's compiler, which takes seconds in each new process.

    Attributes:
        parameters: Of the members.
        blocks: Neighbouring members with one learning rate, and this rate; a block takes one call.
        kept: [K, 1], the share of each parameter that weight decay keeps in a step; None if no member has any.
        means: [K, P], running means of the gradients.
        squares: [K, P], running means of the squared gradients.
        steps: [K], number of steps so far, counted for the first member of each block.
    """

    parameters: StackedParameters
    blocks: tuple[tuple[slice, float], ...]
    kept: Tensor | None
    means: Tensor
    squares: Tensor
    steps: Tensor

    @torch.no_grad()
    def step(self) -> None:
        """Takes one step for each member."""
        if self.kept is not None:
            self.parameters.values.mul_(self.kept)
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
        """What `restore` needs, a row for each member."""
        steps = torch.cat([self.steps[block.start].expand(block.stop - block.start) for block, _ in self.blocks])
        return {"means": self.means, "squares": self.squares, "steps": steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continues from the state of an optimiser for the same members, whatever their blocks were there."""
        self.means.copy_(state["means"])
        self.squares.copy_(state["squares"])
        self.steps.copy_(state["steps"])


def stacked_adam(parameters: StackedParameters, lrs: Sequence[float], weight_decays: Sequence[float]) -> StackedAdam:
    """Adam before its first step, with a learning rate and a weight decay for each of K members."""
    blocks, start = [], 0
    for lr, neighbours in groupby(lrs):
        end = start + len(list(neighbours))
        blocks.append((slice(start, end), lr))
        start = end
    zeros = torch.zeros_like(parameters.values)
    kept = None
    if any(weight_decays):
        shares = [1.0 - lr * decay for lr, decay in zip(lrs, weight_decays, strict=True)]
        kept = zeros.new_tensor(shares).unsqueeze(1)
    return StackedAdam(parameters, tuple(blocks), kept, zeros, zeros.clone(), zeros.new_zeros(len(lrs)))
