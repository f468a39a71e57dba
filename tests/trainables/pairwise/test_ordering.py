from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.pairwise.ordering import argsort_rows, invert_permutation, smallest_columns, smallest_keys


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.booleans())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_are_sorted_by_value_then_tie_break_then_column(
    dtype: torch.dtype, seed: int, width: int, ties: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(2, 3, width, generator=generator, dtype=dtype) * 4
    values = values.round() if ties else values
    values[0, 0, 0] = torch.inf
    tie_break = torch.rand(2, 3, width, generator=generator) < 0.5
    order = argsort_rows(values, tie_break)
    for row in np.ndindex(2, 3):
        expected = sorted(range(width), key=lambda c, row=row: (float(values[row][c]), bool(tie_break[row][c]), c))  # type: ignore[misc]
        assert order[row].tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 600), st.integers(1, 60))
def test_smallest_columns_are_the_first_of_all_sorted_columns(seed: int, width: int, count: int) -> None:
    values = torch.rand(3, width, generator=torch.Generator().manual_seed(seed)).mul(9).round()
    assert torch.equal(smallest_columns(values, min(count, width)), argsort_rows(values)[:, : min(count, width)])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 1100), st.integers(1, 1100), st.sampled_from([3, 10**9]))
@pytest.mark.parametrize("dtype", [np.uint32, np.int64])
def test_the_smallest_keys_of_long_rows_are_the_first_of_all_sorted(
    dtype: type[np.integer[Any]], seed: int, width: int, count: int, largest: int
) -> None:
    keys = np.random.default_rng(seed).integers(0, largest, (2, 3, width)).astype(dtype)
    count = min(count, width)
    assert (smallest_keys(keys, count) == np.sort(keys, axis=-1)[..., :count]).all()


@pytest.mark.parametrize("width", [600, 601])
def test_the_smallest_keys_are_found_where_all_of_them_stand_in_one_block(width: int) -> None:
    keys = np.arange(width, dtype=np.int64)[None, :] + 1000
    keys[:, ::3] -= 1000  # a row of this length is dealt out into three blocks
    assert (smallest_keys(keys, 90) == np.sort(keys)[:, :90]).all()


def test_the_inverse_of_a_permutation_gives_ranks() -> None:
    order = torch.tensor([[2, 0, 1]])
    assert invert_permutation(order).tolist() == [[1, 2, 0]]
