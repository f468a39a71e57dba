from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.pairwise.hits import hits_among_nearest
from trainables.pairwise.ordering import smallest_columns


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 600), st.integers(0, 300), st.sampled_from([1.0, 9.0, 1e6]))
@pytest.mark.parametrize("classes", [2, 40_000])
def test_hits_are_the_nearest_of_the_querys_class_also_among_equal_distances(
    classes: int, seed: int, width: int, count: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    distances = torch.rand(2, 4, width, generator=generator).mul(scale).round()
    distances[0, 0, seed % width] = torch.inf
    labels = torch.randint(classes, (2, width), generator=generator)
    query_labels = labels[:, torch.randint(width, (4,), generator=generator)]
    alike = query_labels.unsqueeze(2) == labels.unsqueeze(1)
    expected = alike.gather(2, smallest_columns(distances, min(count, width)))
    assert torch.equal(hits_among_nearest(distances, query_labels, labels, min(count, width)), expected)
