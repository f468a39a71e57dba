"""The parameters of a pack: one flat row a member, seen by the encoder as named stacked tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_ALIGNMENT = 64  # rows of a whole number of SIMD registers, so that no element's arithmetic depends on its row


@dataclass(frozen=True)
class StackedParameters:
    """Parameters and gradients of K members.

    Attributes:
        values: [K, P].
        gradients: [K, P].
        views: Name -> [K, *shape], leaves that share their memory with `values`.
    """

    values: Tensor
    gradients: Tensor
    views: dict[str, Tensor]

    def backward(self, losses: Tensor) -> None:
        """Writes the gradient of each member's loss [K] into `gradients`; members do not mix."""
        parts = torch.autograd.grad(losses.sum(), list(self.views.values()))
        start = 0
        for part in parts:
            width = part[0].numel()
            self.gradients[:, start : start + width].view_as(part).copy_(part)
            start += width


def stack_parameters(members: Sequence[dict[str, Tensor]], device: torch.device) -> StackedParameters:
    """Stacks the parameters of members that have the same names and shapes."""
    names = list(members[0])
    rows = torch.stack([torch.cat([member[name].flatten() for name in names]) for member in members])
    values = torch.nn.functional.pad(rows, (0, -rows.shape[1] % _ALIGNMENT)).to(device)
    views, start = {}, 0
    for name in names:
        shape, width = members[0][name].shape, members[0][name].numel()
        view = values[:, start : start + width].view(len(members), *shape)
        views[name] = view.detach().requires_grad_()
        start += width
    return StackedParameters(values, torch.zeros_like(values), views)
