"""Encoders as functions of stacked parameters: one network for each member, applied side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Encoder:
    """A network f with z = f(x), for K members at once.

    Attributes:
        initialise: Draws one member's parameters, each of its own shape, from a generator.
        embed: Maps parameters [K, ...] and inputs [K, B, *input_shape] to embeddings [K, B, D].
    """

    initialise: Callable[[torch.Generator], dict[str, Tensor]]
    embed: Callable[[Mapping[str, Tensor], Tensor], Tensor]


def mlp(input_shape: tuple[int, ...], embedding_dim: int, width: int = 256) -> Encoder:
    """One hidden layer with ReLU: inputs (flattened) -> `width` -> D."""
    inputs = int(torch.tensor(input_shape).prod())

    def initialise(generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "hidden.weight": _uniform((inputs, width), inputs, generator),
            "hidden.bias": _uniform((1, width), inputs, generator),
            "embedding.weight": _uniform((width, embedding_dim), width, generator),
            "embedding.bias": _uniform((1, embedding_dim), width, generator),
        }

    def embed(parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        hidden = torch.baddbmm(parameters["hidden.bias"], inputs.flatten(2), parameters["hidden.weight"])
        activations: Tensor = hidden.relu()
        return torch.baddbmm(parameters["embedding.bias"], activations, parameters["embedding.weight"])

    return Encoder(initialise, embed)


ENCODERS: dict[str, Callable[[tuple[int, ...], int], Encoder]] = {"mlp": mlp}


def _uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> Tensor:
    """PyTorch's default for linear layers: uniform within 1 / sqrt(fan_in)."""
    drawn = torch.rand(shape, generator=generator)
    return drawn.mul_(2.0).sub_(1.0).div_(fan_in**0.5)
