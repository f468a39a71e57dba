"""Reads variables of MATLAB's MAT files, version 5, whose sizes are checked before anything is made of them.

Cells, structures, texts and numbers are read; other kinds are refused.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_UNFOLDED = 1 << 26  # bytes; the largest of the known files unfolds to 5 MB
_DEEPEST = 8
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _NUMBERS = 1, 2, 4, range(6, 16)
_NUMBER_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT_TYPES = {1: "latin-1", 2: "latin-1", 16: "utf-8", 4: "utf-16", 17: "utf-16", 18: "utf-32"}
_WIDE, _ENDS = (4, 17, 18), {"<": "-le", ">": "-be"}


def read_mat(content: bytes, name: str) -> Any:
    """A variable of a MAT file.

    Returns:
        Of a cell array the list of its values, of a structure array the list of its rows as dicts, in MATLAB's order.
        Of text a string, of a single number that number, and of others a list of them.

    Raises:
        ValueError: If the file has no such variable, is broken, or unfolds to more than `MOST_UNFOLDED`.
    """
    try:
        order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
        if order is None:
            raise ValueError("it is no MAT file of version 5")
        left = MOST_UNFOLDED
        variables = _Elements(content, order, 128)
        while variables.has_more:
            kind, data = variables.next()
            if kind == _COMPRESSED:
                data = _unfold(data, left)
                left -= len(data)
                kind, data = _Elements(data, order).next()
            if kind == _MATRIX:
                found, value = _matrix(data, order, 0, name)
                if found == name:
                    return value
    except (struct.error, zlib.error, IndexError, KeyError, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f"it is cut short or broken: {error or type(error).__name__}") from None
    raise ValueError(f"it has no variable {name!r}")


def _unfold(data: bytes, most: int) -> bytes:
    unfolded = zlib.decompressobj().decompress(data, most + 1)
    if len(unfolded) > most:
        raise ValueError(f"it unfolds to more than {MOST_UNFOLDED} bytes")
    return unfolded


@dataclass
class _Elements:
    """Elements one after the other: a kind, a size, and so many bytes."""

    content: bytes
    order: str
    position: int = 0

    @property
    def has_more(self) -> bool:
        return self.position < len(self.content)

    @property
    def left(self) -> int:
        return len(self.content) - self.position

    def next(self) -> tuple[int, bytes]:
        kind, size = struct.unpack_from(f"{self.order}II", self.content, self.position)
        start = self.position + 8
        end = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        most = len(self.content) - start
        if kind >> 16:  # four bytes or fewer stand in the place of the size
            kind, size, start, end, most = kind & 0xFFFF, kind >> 16, start - 4, start, 4
        if size > most:
            raise ValueError("it is cut short or broken: an element reaches beyond its end")
        self.position = end
        return kind, self.content[start : start + size]


def _matrix(data: bytes, order: str, depth: int, wanted: str | None = None) -> tuple[str, Any]:
    """Name and value of a matrix; of another one than is wanted, the name alone."""
    if not data:
        return "", []
    if depth > _DEEPEST:
        raise ValueError("its values lie too deep in each other")
    elements = _Elements(data, order)
    kind = struct.unpack(f"{order}II", elements.next()[1])[0] & 0xFF
    dims = elements.next()[1]
    count = math.prod(size for (size,) in struct.iter_unpack(f"{order}i", dims))
    name = elements.next()[1].decode("latin-1")
    if wanted is not None and name != wanted:
        return name, None
    if kind == _CELL:
        return name, _values(elements, count, depth)
    if kind == _STRUCT:
        return name, _rows(elements, count, depth)
    stored, values = elements.next()
    if kind == _CHAR:
        return name, values.decode(_TEXT_TYPES[stored] + _ENDS[order] * (stored in _WIDE))
    if kind not in _NUMBERS:
        raise ValueError(f"it holds values of kind {kind}, which are not read")
    numbers = np.frombuffer(values, order + _NUMBER_TYPES[stored]).tolist()
    if len(numbers) != count:
        raise ValueError("it is cut short or broken: an array has another number of values than it says")
    return name, numbers[0] if count == 1 else numbers


def _values(elements: _Elements, count: int, depth: int) -> list[Any]:
    """The values of so many matrices, each of which takes eight bytes at least."""
    if not 0 <= count <= elements.left // 8:
        raise ValueError("it is cut short or broken: an array has more values than bytes")
    values = []
    for _ in range(count):
        kind, data = elements.next()
        if kind != _MATRIX:
            raise ValueError("it is cut short or broken: a value is no matrix")
        values.append(_matrix(data, elements.order, depth + 1)[1])
    return values


def _rows(elements: _Elements, count: int, depth: int) -> list[dict[str, Any]]:
    (length,) = struct.unpack(f"{elements.order}i", elements.next()[1])
    names = elements.next()[1]
    if length <= 0:
        raise ValueError("it is cut short or broken: its fields have no names")
    fields = [names[start : start + length].split(b"\0")[0].decode("latin-1") for start in range(0, len(names), length)]
    width = len(fields)
    values = _values(elements, count * width, depth)
    return [dict(zip(fields, values[at : at + width], strict=True)) for at in range(0, len(values), width or 1)]
