"""The parameters of a pack: a flat row for each member, with a view for each named tensor of the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_ALIGNMENT = 64  # a row fills complete SIMD registers, so an element's arithmetic does not depend on its row


@dataclass(frozen=True)
class StackedParameters:
    """Parameters and gradients of K members.

    Attributes:
        values: [K, P].
        gradients: [K, P].
        views: Name -> [K, *shape]: leaf tensors that share memory with `values`.
    """

    values: Tensor
    gradients: Tensor
    views: dict[str, Tensor]

    def backward(self, losses: Tensor) -> None:
        """Writes the gradient of each member's loss [K] into `gradients`; members do not mix."""
        gradients = torch.autograd.grad(losses.sum(), list(self.views.values()))
        start = 0
        for gradient in gradients:
            size = gradient[0].numel()
            self.gradients[:, start : start + size].view_as(gradient).copy_(gradient)
            start += size


def stack_parameters(members: Sequence[dict[str, Tensor]], device: torch.device) -> StackedParameters:
    """Stacks the parameters of members with the same names and shapes."""
    names = list(members[0])
    rows = torch.stack([torch.cat([member[name].flatten() for name in names]) for member in members])
    values = torch.nn.functional.pad(rows, (0, -rows.shape[1] % _ALIGNMENT)).to(device)
    views, start = {}, 0
    for name in names:
        shape, size = members[0][name].shape, members[0][name].numel()
        view = values[:, start : start + size].view(len(members), *shape)
        views[name] = view.detach().requires_grad_()
        start += size
    return StackedParameters(values, torch.zeros_like(values), views)
