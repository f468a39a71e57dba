"""Sorting the rows of a distance matrix, for the miners and the retrieval metrics.

Float32 values that are not negative sort in the same order as their bit patterns. So a value, its tie-break and its
column fit into one 64-bit integer, and sorting needs no separate index array. On the CPU, numpy sorts short rows of
integers with SIMD instructions; for rows of 64 it is about 20 times as fast as `torch.sort`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_COLUMN_BITS = 31
_SMALL_COUNT = 16  # up to this count, a heap (`torch.topk`) is faster than numpy's partition
_LONG_ROW, _BLOCK = 2048, 64  # rows from this length on are searched in blocks of this length
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1


def argsort_rows(values: Tensor, tie_break: Tensor | None = None) -> Tensor:
    """The columns of each row, sorted by value in ascending order.

    Args:
        values: [..., N], not negative, and not -0.0.
        tie_break: [..., N] bool; among equal values, columns with False come first.

    Returns:
        [..., N] int64. Equal values with equal `tie_break` keep the order of their columns. A row with NaN gives some
        permutation.
    """
    if values.dtype == torch.float32:
        keys = _keys(values, tie_break)
        if keys.device.type == "cpu":
            keys.numpy().sort(axis=-1)
        else:
            keys = torch.sort(keys, dim=-1).values
        return keys & _COLUMN_MASK
    if tie_break is None:
        return torch.sort(values, dim=-1, stable=True).indices
    by_tie_break = torch.sort(tie_break.to(torch.int8), dim=-1, stable=True).indices
    by_value = torch.sort(values.gather(-1, by_tie_break), dim=-1, stable=True).indices
    return by_tie_break.gather(-1, by_value)


def smallest_columns(values: Tensor, count: int) -> Tensor:
    """The first `count` columns of `argsort_rows`, [..., count], at less cost."""
    if values.dtype != torch.float32 or count >= values.shape[-1]:
        return argsort_rows(values)[..., :count]
    if count <= _SMALL_COUNT and values.shape[-1] >= _LONG_ROW:
        return _smallest_of_best_blocks(values, count)
    keys = _keys(values, None)
    if keys.device.type != "cpu" or count <= _SMALL_COUNT:
        return torch.topk(keys, count, dim=-1, largest=False, sorted=True).values & _COLUMN_MASK
    keys.numpy().partition(count - 1, axis=-1)
    first = keys[..., :count].contiguous()
    first.numpy().sort(axis=-1)
    return first & _COLUMN_MASK


def marks_of_smallest(values: Tensor, marks: Tensor, count: int) -> Tensor:
    """Whether the columns of `smallest_columns` are marked, at a third of the cost.

    A value and its mark fit into 32 bits, if no column has to. Where an unmarked value equals a marked one, their
    columns decide, and the row is sorted with them.

    Args:
        values: [..., N], as for `argsort_rows`.
        marks: [..., N] bool.
        count: How many, at most N.

    Returns:
        [..., count] bool.
    """
    if values.dtype != torch.float32 or values.device.type != "cpu" or count == 0:
        return marks.gather(-1, smallest_columns(values, count))
    unsigned = (values.contiguous().view(torch.int32) << 1).numpy().view(np.uint32)
    np.bitwise_or(unsigned, (~marks).numpy(), out=unsigned)
    last = min(count, values.shape[-1] - 1)  # one more, to see whether it equals the last that counts
    unsigned.partition(last, axis=-1)
    first = unsigned[..., : last + 1].copy()
    first.sort(axis=-1)
    found = torch.from_numpy((first[..., :count] & 1) == 0)
    changes = first[..., 1:] ^ first[..., :-1]  # 0 between equal keys, 1 between equal values of which one is marked
    doubtful = torch.from_numpy((changes == 1).any(-1))
    if count == last:
        doubtful |= torch.from_numpy(changes[..., -1] == 0)
    if bool(doubtful.any()):
        found[doubtful] = marks[doubtful].gather(-1, smallest_columns(values[doubtful], count))
    return found


def _smallest_of_best_blocks(values: Tensor, count: int) -> Tensor:
    """`smallest_columns` for long rows. Only the `count` blocks with the smallest minima need to be searched.

    Proof: if one of the `count` smallest values were in another block, each of these blocks would hold a value that is
    sorted before it. That would be `count` earlier values, which is a contradiction. Columns after the last complete
    block are always searched.
    """
    blocks = values.shape[-1] // _BLOCK
    end_of_blocks = blocks * _BLOCK
    minima = values[..., :end_of_blocks].unflatten(-1, (blocks, _BLOCK)).amin(-1)
    best = smallest_columns(minima, count).sort(-1).values
    columns = (best.unsqueeze(-1) * _BLOCK + torch.arange(_BLOCK, device=values.device)).flatten(-2)
    remaining = torch.arange(end_of_blocks, values.shape[-1], device=values.device)
    columns = torch.cat([columns, remaining.expand(*columns.shape[:-1], -1)], -1)
    return columns.gather(-1, smallest_columns(values.gather(-1, columns), count))


def invert_permutation(order: Tensor) -> Tensor:
    """The rank of each column [..., N] int64, from the sorted columns."""
    ranks = torch.arange(order.shape[-1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(-1, order, ranks)


def _keys(values: Tensor, tie_break: Tensor | None) -> Tensor:
    keys = values.contiguous().view(torch.int32).to(torch.int64) << 32
    if tie_break is not None:
        keys |= tie_break.to(torch.int64) << _COLUMN_BITS
    keys |= torch.arange(values.shape[-1], device=values.device)
    return keys
