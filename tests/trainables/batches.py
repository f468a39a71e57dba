"""Batches that tests of losses and miners share: shapes, labels and edge cases."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from trainables.distances import squared_distances
from trainables.miners import Batch
from trainables.selection import relations


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


def mining_batch(embeddings: Tensor, labels: Tensor, margins: Tensor, seed: int = 0) -> Batch:
    """What a miner sees of a batch, with uniforms drawn from a seed."""
    generator = torch.Generator().manual_seed(seed)
    size = labels.shape[1]
    uniforms = torch.rand(labels.shape[0], size, size, generator=generator, dtype=embeddings.dtype)
    return Batch(squared_distances(embeddings), embeddings, relations(labels), margins, uniforms)


def distance(embeddings: Tensor, a: int, b: int) -> float:
    """Squared distance, from the difference itself."""
    return float((embeddings[a] - embeddings[b]).square().sum())
