"""Adam for a pack: each member has its own learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.networks.parameters import StackedParameters


class Block(NamedTuple):
    """Neighbouring members with one learning rate, as the kernel takes them: views of their rows, each in a list."""

    lr: float
    values: list[Tensor]
    gradients: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]


@dataclass(frozen=True)
class StackedAdam:
    """Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019) over K members.

    Adam works element by element, so it can step several members in one call. This calls the kernel of torch's fused
    Adam: what stands around it in torch takes as long for one member of a small network as the kernel, and the class
    `torch.optim.Adam` imports torch's compiler, which takes seconds in each new process.

    Attributes:
        parameters: Of the members.
        blocks: Neighbouring members with one learning rate; a block takes one call.
        kept: [K, 1], the share of each parameter that weight decay keeps in a step; None if no member has any.
        means: [K, P], running means of the gradients.
        squares: [K, P], running means of the squared gradients.
        steps: [K], number of steps so far.
    """

    parameters: StackedParameters
    blocks: tuple[Block, ...]
    kept: Tensor | None
    means: Tensor
    squares: Tensor
    steps: Tensor

    @torch.no_grad()
    def step(self) -> None:
        """Takes one step for each member."""
        if self.kept is not None:
            self.parameters.values.mul_(self.kept)
        self.steps.add_(1)
        for block in self.blocks:
            torch._fused_adam_(
                block.values,
                block.gradients,
                block.means,
                block.squares,
                [],
                block.steps,
                amsgrad=False,
                lr=block.lr,
                beta1=0.9,
                beta2=0.999,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs, a row for each member."""
        return {"means": self.means, "squares": self.squares, "steps": self.steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continues from the state of an optimiser for the same members, whatever their blocks were there."""
        self.means.copy_(state["means"])
        self.squares.copy_(state["squares"])
        self.steps.copy_(state["steps"])


def stacked_adam(parameters: StackedParameters, lrs: Sequence[float], weight_decays: Sequence[float]) -> StackedAdam:
    """Adam before its first step, with a learning rate and a weight decay for each of K members."""
    means = torch.zeros_like(parameters.values)
    squares, steps = torch.zeros_like(means), means.new_zeros(len(lrs))
    blocks, start = [], 0
    for lr, neighbours in groupby(lrs):
        rows = slice(start, start + len(list(neighbours)))
        values, gradients = [parameters.values[rows]], [parameters.gradients[rows]]
        blocks.append(Block(lr, values, gradients, [means[rows]], [squares[rows]], [steps[start]]))
        start = rows.stop
    kept = None
    if any(weight_decays):
        shares = [1.0 - lr * decay for lr, decay in zip(lrs, weight_decays, strict=True)]
        kept = means.new_tensor(shares).unsqueeze(1)
    return StackedAdam(parameters, tuple(blocks), kept, means, squares, steps)
