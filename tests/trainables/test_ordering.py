from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.ordering import invert_order, order_rows, smallest_columns


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.booleans())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_are_ordered_by_value_then_second_then_column(
    dtype: torch.dtype, seed: int, width: int, ties: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(2, 3, width, generator=generator, dtype=dtype) * 4
    values = values.round() if ties else values
    values[0, 0, 0] = torch.inf
    second = torch.rand(2, 3, width, generator=generator) < 0.5
    order = order_rows(values, second)
    for row in np.ndindex(2, 3):
        expected = sorted(range(width), key=lambda c, row=row: (float(values[row][c]), bool(second[row][c]), c))  # type: ignore[misc]
        assert order[row].tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 60))
def test_smallest_columns_are_the_head_of_the_order(seed: int, width: int, count: int) -> None:
    values = torch.rand(3, width, generator=torch.Generator().manual_seed(seed)).mul(9).round()
    assert torch.equal(smallest_columns(values, min(count, width)), order_rows(values)[:, : min(count, width)])


def test_inverse_order_gives_ranks() -> None:
    order = torch.tensor([[2, 0, 1]])
    assert invert_order(order).tolist() == [[1, 2, 0]]
