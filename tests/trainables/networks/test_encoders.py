from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from trainables.networks.encoders import (
    _convolve_in_groups,
    _convolve_one_by_one,
    backbone_of,
    cnn,
    make_encoder,
    network_of,
)
from trainables.networks.parameters import stack_parameters


def stacked(input_shape: tuple[int, ...], members: int) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    draw = torch.Generator().manual_seed(0)
    drawn = [cnn(input_shape, 16).initialise(draw) for _ in range(members)]
    return stack_parameters(drawn, torch.device("cpu")).views, drawn


def reference(parameters: dict[str, Tensor], images: Tensor) -> Tensor:
    """The same network from torch.nn's modules."""
    hidden = images
    for name in sorted({key.partition(".")[0] for key in parameters if key.startswith("block")}):
        weight = parameters[f"{name}.weight"]
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        layer.load_state_dict({"weight": weight, "bias": parameters[f"{name}.bias"]})
        hidden = nn.Sequential(layer, nn.ReLU(), nn.MaxPool2d(2))(hidden)
    flat = hidden.permute(0, 2, 3, 1).flatten(1)
    return flat @ parameters["embedding.weight"] + parameters["embedding.bias"]


@pytest.mark.parametrize(
    ("shape", "blocks"), [((1, 28, 28), 2), ((3, 32, 32), 2), ((3, 64, 64), 3), ((3, 21, 13), 2), ((3, 8, 8), 1)]
)
def test_the_cnn_is_convolution_relu_and_pooling_until_the_image_is_small(
    shape: tuple[int, int, int], blocks: int
) -> None:
    views, drawn = stacked(shape, 2)
    images = torch.rand(2, 5, *shape)
    embeddings = cnn(shape, 16).embed(views, images)
    assert embeddings.shape == (2, 5, 16)
    assert sum(name.startswith("block") for name in views) == 2 * blocks
    for member in range(2):
        expected = reference(drawn[member], images[member])
        torch.testing.assert_close(embeddings[member], expected, rtol=1e-4, atol=1e-5)


def test_members_one_by_one_and_in_groups_have_the_same_features_and_gradients() -> None:
    views, _ = stacked((3, 16, 16), 3)
    images = torch.rand(3, 4, 3, 16, 16)
    filters = [(views["block1.weight"], views["block1.bias"])]
    results = [convolve(filters, images) for convolve in (_convolve_one_by_one, _convolve_in_groups)]
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(result.square().sum(), views["block1.weight"])[0] for result in results]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-3)


def test_a_backbones_head_is_linear_or_an_mlp() -> None:
    assert [(backbone_of(name), network_of(name)) for name in ("cnn", "vit_b_32", "vit_b_32+mlp")] == [
        (None, "cnn"),
        ("vit_b_32", "linear"),
        ("vit_b_32", "mlp"),
    ]
    draw = torch.Generator().manual_seed(0)
    assert set(make_encoder("vit_b_32", (768,), 16).initialise(draw)) == {"embedding.weight", "embedding.bias"}
    assert "hidden.weight" in make_encoder("resnet50+mlp", (2048,), 16).initialise(draw)


def test_a_cnn_refuses_vectors() -> None:
    with pytest.raises(ValueError, match=r"a cnn reads images"):
        cnn((64,), 16)
