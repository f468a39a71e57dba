"""Sorting the rows of a distance matrix, for the miners and the retrieval metrics.

Float32 values that are not negative sort in the same order as their bit patterns. So a value, its tie-break and its
column fit into one 64-bit integer, and sorting needs no separate index array. On the CPU, numpy sorts short rows of
integers with SIMD instructions; for rows of 64 it is about 20 times as fast as `torch.sort`. Long rows are therefore
sorted in short blocks, wherever only their smallest values count.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_COLUMN_BITS = 31
_SMALL_COUNT = 16  # up to this count, a heap (`torch.topk`) is faster than numpy's partition
_LONG_ROW, _BLOCK = 2048, 64  # rows from this length on are searched in blocks of this length
_GPU_KEYS = 1 << 24  # of this many at once a GPU takes the smallest: 128 MiB, a quarter of a chunk of an evaluation
_SORTED_BLOCK = 256  # longest row that numpy sorts by a network of SIMD instructions, whatever its integers
_DEVIATIONS = 4.0  # by how many a block may hold more of the smallest than its share, before it counts as uneven
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1

_Integer = TypeVar("_Integer", bound=np.integer[Any])


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
    if values.device.type != "cpu":
        rows = values.unsqueeze(0).flatten(0, -2).split(max(_GPU_KEYS // values.shape[-1], 1))
        return torch.cat([_first_keys(own, count) for own in rows]).view(*values.shape[:-1], count) & _COLUMN_MASK
    if count <= _SMALL_COUNT:
        return _first_keys(values, count) & _COLUMN_MASK
    return torch.from_numpy(smallest_keys(_keys(values, None).numpy(), count)) & _COLUMN_MASK


def _first_keys(values: Tensor, count: int) -> Tensor:
    return torch.topk(_keys(values, None), count, dim=-1, largest=False, sorted=True).values


def smallest_keys(keys: npt.NDArray[_Integer], count: int) -> npt.NDArray[_Integer]:
    """The smallest integers of each row [..., N] in ascending order, [..., count], on the CPU.

    A row is dealt out into short blocks, and each is sorted. Few of a block can be among the smallest of the row, and
    only these are sorted together. Where a block turns out to hold more of them, its row is sorted as a whole.
    """
    blocks = _dealt(keys)
    blocks.sort(axis=-1)
    number, length = blocks.shape[-2:]
    fair = count / number
    taken = min(length, math.ceil(fair + _DEVIATIONS * math.sqrt(fair)) + 1) if number > 1 else length
    smallest = blocks[..., :taken].reshape(*keys.shape[:-1], number * taken)
    if number > 1:
        smallest.sort(axis=-1)
    smallest = smallest[..., :count]
    if taken < length:
        missed = blocks[..., taken].min(-1) < smallest[..., -1]
        smallest[missed] = np.sort(keys[missed], axis=-1)[:, :count]
    return smallest


def _dealt(rows: npt.NDArray[_Integer]) -> npt.NDArray[_Integer]:
    """Rows [..., N] dealt out in turn into as few blocks as hold them, [..., blocks, length].

    So each block is a fair sample of its row, also where the samples of a class stand together. Places that are left
    over at the end of some blocks hold the largest integer.
    """
    width = rows.shape[-1]
    blocks = -(-width // _SORTED_BLOCK)
    length = -(-width // blocks)
    dealt = np.empty((*rows.shape[:-1], blocks, length), rows.dtype)
    complete = blocks * (length - 1)
    dealt[..., : length - 1] = rows[..., :complete].reshape(*rows.shape[:-1], length - 1, blocks).swapaxes(-1, -2)
    dealt[..., : width - complete, length - 1] = rows[..., complete:]
    dealt[..., width - complete :, length - 1] = np.iinfo(rows.dtype).max
    return dealt


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
    keys = values.contiguous().view(torch.int32).to(torch.int64)
    keys <<= 32  # in place: keys take twice the memory of the distances
    if tie_break is not None:
        keys |= tie_break.to(torch.int64) << _COLUMN_BITS
    keys |= torch.arange(values.shape[-1], device=values.device)
    return keys
