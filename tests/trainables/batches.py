"""Random batches for the tests of losses and miners, with edge cases."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from trainables.objectives.candidates import pair_masks
from trainables.objectives.miners import MinerInput
from trainables.pairwise.distances import squared_distances


@st.composite
def batches(
    draw: st.DrawFn, dtype: torch.dtype = torch.float64, most_classes: int = 5
) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings [K, B, D], labels [K, B] and margins [K]; one class, one sample and duplicates included."""
    members, size, dim = draw(st.integers(1, 3)), draw(st.integers(1, 12)), draw(st.integers(1, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    embeddings = torch.randn(members, size, dim, generator=generator, dtype=dtype)
    labels = torch.randint(0, draw(st.integers(1, most_classes)), (members, size), generator=generator)
    if draw(st.booleans()):
        source = torch.randint(0, size, (size,), generator=generator)
        embeddings = embeddings[:, source]
    margins = torch.rand(members, generator=generator, dtype=dtype) * 2 + 0.05
    return embeddings, labels, margins


def miner_input(
    embeddings: Tensor, labels: Tensor, margins: Tensor, seed: int = 0, margin_power: int = 2
) -> MinerInput:
    """The input of a miner, with uniforms drawn from a seed."""
    generator = torch.Generator().manual_seed(seed)
    size = labels.shape[1]
    uniforms = torch.rand(labels.shape[0], size, size, generator=generator, dtype=embeddings.dtype)
    return MinerInput(squared_distances(embeddings), embeddings, pair_masks(labels), margins, margin_power, uniforms)


def distance(embeddings: Tensor, a: int, b: int) -> float:
    """Squared distance, from the difference itself."""
    return float((embeddings[a] - embeddings[b]).square().sum())
