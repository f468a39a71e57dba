"""Encoders as functions of stacked parameters: all members' networks are applied at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

CNN_WIDTHS = (32, 64, 128, 256, 512)
_SMALLEST_SIDE = 8  # the CNN adds blocks until the image is at most this large


@dataclass(frozen=True)
class Encoder:
    """A network f with z = f(x), for K members at once.

    Attributes:
        initialise: Draws the parameters of one member from a random stream.
        embed: Maps parameters [K, ...] and inputs [K, B, *input_shape] to embeddings [K, B, D].
        largest_activation: Size of the largest activation of one sample, to estimate the memory of a batch.
    """

    initialise: Callable[[torch.Generator], dict[str, Tensor]]
    embed: Callable[[Mapping[str, Tensor], Tensor], Tensor]
    largest_activation: int


def linear(input_shape: tuple[int, ...], embedding_dim: int) -> Encoder:
    """One linear layer: inputs (flattened) -> D."""
    inputs = math.prod(input_shape)

    def initialise(generator: torch.Generator) -> dict[str, Tensor]:
        return _linear_layer("embedding", inputs, embedding_dim, generator)

    def embed(parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        return _apply_linear(parameters, "embedding", inputs.flatten(2))

    return Encoder(initialise, embed, max(inputs, embedding_dim))


def mlp(input_shape: tuple[int, ...], embedding_dim: int, width: int = 256) -> Encoder:
    """One hidden layer with ReLU: inputs (flattened) -> `width` -> D."""
    inputs = math.prod(input_shape)

    def initialise(generator: torch.Generator) -> dict[str, Tensor]:
        return {
            **_linear_layer("hidden", inputs, width, generator),
            **_linear_layer("embedding", width, embedding_dim, generator),
        }

    def embed(parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        return _apply_linear(parameters, "embedding", _apply_linear(parameters, "hidden", inputs.flatten(2)).relu())

    return Encoder(initialise, embed, max(inputs, width, embedding_dim))


def cnn(input_shape: tuple[int, ...], embedding_dim: int) -> Encoder:
    """Blocks of 3x3 convolution, 2x2 max pooling and ReLU until the side is at most 8, then a linear layer to D.

    Images of 28 x 28 or 32 x 32 get two blocks of 32 and 64 channels. Images of 64 x 64 get a third of 128 channels.

    Raises:
        ValueError: If the inputs are not images [C, H, W].
    """
    if len(input_shape) != 3:
        raise ValueError(f"a cnn reads images [C, H, W], not inputs of shape {input_shape}")
    channels, height, width = input_shape
    blocks: list[tuple[str, int, int]] = []
    largest = 0
    for outputs in CNN_WIDTHS:
        if max(height, width) <= _SMALLEST_SIDE and blocks:
            break
        blocks.append((f"block{len(blocks) + 1}", channels, outputs))
        largest = max(largest, outputs * height * width)
        channels, height, width = outputs, height // 2, width // 2
    features = channels * height * width

    def initialise(generator: torch.Generator) -> dict[str, Tensor]:
        parameters = {}
        for name, inputs, outputs in blocks:
            fan_in = 9 * inputs
            parameters[f"{name}.weight"] = _uniform((outputs, inputs, 3, 3), fan_in, generator)
            parameters[f"{name}.bias"] = _uniform((outputs,), fan_in, generator)
        return {**parameters, **_linear_layer("embedding", features, embedding_dim, generator)}

    def embed(parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        filters = [(parameters[f"{name}.weight"], parameters[f"{name}.bias"]) for name, _, _ in blocks]
        convolve = _convolve_in_groups if inputs.is_cuda else _convolve_one_by_one
        return _apply_linear(parameters, "embedding", convolve(filters, inputs))

    return Encoder(initialise, embed, largest)


def _convolve_one_by_one(filters: list[tuple[Tensor, Tensor]], images: Tensor) -> Tensor:
    """Features [K, B, H * W * C], member by member, because grouped convolutions are slower on a CPU.

    Channels are last in memory, which makes pooling much faster. This must be so from the first layer on. With a single
    channel, PyTorch only recognises this layout if the strides say so, hence `as_strided`.
    """
    layers = [(weight.unbind(0), bias.unbind(0)) for weight, bias in filters]
    features = []
    for member, image in enumerate(images.unbind(0)):
        hidden = image.permute(0, 2, 3, 1).contiguous()
        hidden = hidden.as_strided(hidden.shape, _row_major(hidden.shape)).permute(0, 3, 1, 2)
        for weights, biases in layers:
            hidden = max_pool2d(conv2d(hidden, weights[member], biases[member], padding=1), 2).relu()
        features.append(hidden.permute(0, 2, 3, 1).flatten(1))
    return torch.stack(features)


def _convolve_in_groups(filters: list[tuple[Tensor, Tensor]], images: Tensor) -> Tensor:
    """Features [K, B, H * W * C] by convolutions with a group for each member: few kernel launches on a GPU."""
    members, batch = images.shape[:2]
    hidden = images.transpose(0, 1).flatten(1, 2)
    for weight, bias in filters:
        hidden = conv2d(hidden, weight.flatten(0, 1), bias.flatten(), padding=1, groups=members)
        hidden = max_pool2d(hidden, 2).relu()
    hidden = hidden.view(batch, members, -1, *hidden.shape[2:])
    return hidden.permute(1, 0, 3, 4, 2).flatten(2)


def _row_major(shape: torch.Size) -> list[int]:
    return [math.prod(shape[position + 1 :]) for position in range(len(shape))]


NETWORKS: dict[str, Callable[[tuple[int, ...], int], Encoder]] = {"linear": linear, "mlp": mlp, "cnn": cnn}
_MLP_HEAD = "+mlp"


def backbone_of(encoder: str) -> str | None:
    """The frozen backbone of an encoder: ``vit_b_32`` for ``vit_b_32`` and ``vit_b_32+mlp``, None for ``cnn``."""
    return None if encoder in NETWORKS else encoder.removesuffix(_MLP_HEAD)


def network_of(encoder: str) -> str:
    """The network of `NETWORKS` that is trained: the encoder itself, or the head on a frozen backbone's features.

    The head is linear. It is an MLP if the encoder's name ends in ``+mlp``.
    """
    if encoder in NETWORKS:
        return encoder
    return "mlp" if encoder.endswith(_MLP_HEAD) else "linear"


def make_encoder(encoder: str, input_shape: tuple[int, ...], embedding_dim: int) -> Encoder:
    """The trained part of an encoder, for inputs (or features) [*input_shape]."""
    return NETWORKS[network_of(encoder)](input_shape, embedding_dim)


def _linear_layer(name: str, inputs: int, outputs: int, generator: torch.Generator) -> dict[str, Tensor]:
    return {
        f"{name}.weight": _uniform((inputs, outputs), inputs, generator),
        f"{name}.bias": _uniform((1, outputs), inputs, generator),
    }


def _apply_linear(parameters: Mapping[str, Tensor], name: str, inputs: Tensor) -> Tensor:
    return torch.baddbmm(parameters[f"{name}.bias"], inputs, parameters[f"{name}.weight"])


def _uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> Tensor:
    """PyTorch's default for linear and convolutional layers: uniform in +-1 / sqrt(fan_in)."""
    drawn = torch.rand(shape, generator=generator)
    return drawn.mul_(2.0).sub_(1.0).div_(fan_in**0.5)
