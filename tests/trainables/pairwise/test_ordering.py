from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.pairwise.ordering import argsort_rows, invert_permutation, marks_of_smallest, smallest_columns


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
@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 60))
def test_smallest_columns_are_the_first_of_all_sorted_columns(seed: int, width: int, count: int) -> None:
    values = torch.rand(3, width, generator=torch.Generator().manual_seed(seed)).mul(9).round()
    assert torch.equal(smallest_columns(values, min(count, width)), argsort_rows(values)[:, : min(count, width)])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(0, 60), st.sampled_from([1.0, 9.0, 1e6]))
def test_marks_of_the_smallest_are_those_of_their_columns_also_among_equal_values(
    seed: int, width: int, count: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(2, 4, width, generator=generator).mul(scale).round()
    values[0, 0, seed % width] = torch.inf
    marks = torch.rand(2, 4, width, generator=generator) < 0.5
    columns = smallest_columns(values, min(count, width))
    assert torch.equal(marks_of_smallest(values, marks, min(count, width)), marks.gather(-1, columns))


def test_the_inverse_of_a_permutation_gives_ranks() -> None:
    order = torch.tensor([[2, 0, 1]])
    assert invert_permutation(order).tolist() == [[1, 2, 0]]
