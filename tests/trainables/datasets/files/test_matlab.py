"""MAT files as SciPy and MATLAB write them, and as nobody should."""

from __future__ import annotations

import io
import struct
import time
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from trainables.datasets.files.matlab import read_mat


def annotated(count: int = 5) -> Any:
    rows = np.zeros((1, count), dtype=[("bbox_x1", object), ("class", object), ("fname", object)])
    for number in range(count):
        rows[0, number] = (np.uint16(300 + number), np.uint8(number + 1), f"{number:05}.jpg")
    return rows


def mat(compressed: bool = False, **variables: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, variables, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes_is_read_as_scipy_reads_it(compressed: bool) -> None:
    names = np.array([["AM General", "Škoda", ""]], dtype=object)
    numbers = np.array([[1.5, -2.0], [3.0, 4.0]])
    content = mat(compressed, other=np.zeros(3), annotations=annotated(), names=names, numbers=numbers, one=7)
    theirs = loadmat(io.BytesIO(content), squeeze_me=True)
    rows = read_mat(content, "annotations")
    assert [tuple(row.values()) for row in rows] == [tuple(row.tolist()) for row in theirs["annotations"]]
    assert list(rows[0]) == ["bbox_x1", "class", "fname"]
    assert read_mat(content, "names")[:2] == ["AM General", "Škoda"]
    assert read_mat(content, "numbers") == numbers.flatten(order="F").tolist()
    assert read_mat(content, "one") == 7


def test_the_byte_order_is_that_of_the_file() -> None:
    matrix = struct.pack(">II II II ii II 4s4x II d", 6, 8, 6, 0, 5, 8, 1, 1, 1, 4, b"four", 9, 8, 4.0)
    assert read_mat(bytes(124) + b"\x01\x00MI" + struct.pack(">II", 14, len(matrix)) + matrix, "four") == 4.0


@pytest.mark.parametrize("content", [b"", b"rubbish", bytes(128), mat(a=1)[:180], mat(other=1)])
def test_a_file_without_the_variable_is_one_line(content: bytes) -> None:
    with pytest.raises(ValueError, match="it ") as raised:
        read_mat(content, "a")
    assert "\n" not in str(raised.value)


VALID = mat(False, annotations=annotated())
PACKED = mat(True, annotations=annotated())


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from([VALID, PACKED]), st.integers(0, len(VALID) - 1), st.integers(1, 255), st.booleans())
def test_a_file_that_is_cut_or_altered_anywhere_is_read_or_is_an_error_of_its_values(
    content: bytes, position: int, flip: int, cut: bool
) -> None:
    position %= len(content)
    altered = bytearray(content[:position] if cut else content)
    if not cut:
        altered[position] ^= flip
    with suppress(ValueError):
        read_mat(bytes(altered), "annotations")


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8 if kind != 15 else 0)


def bomb(kind: int, dims: tuple[int, ...], rest: bytes = b"") -> bytes:
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(dims)}i", *dims)) + element(1, b"a")
    return VALID[:128] + element(14, head + rest)


def nested(depth: int) -> bytes:
    value = b""
    for _ in range(depth):
        head = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"a")
        value = element(14, head + value)
    return VALID[:128] + value


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(VALID[:128] + element(15, zlib.compress(bytes(1 << 28), 9)), id="unfolds to a quarter of a GB"),
        pytest.param(VALID[:128] + 40 * element(15, zlib.compress(element(14, bytes(1 << 22)))), id="many small ones"),
        pytest.param(bomb(1, (2_000_000_000, 2_000_000_000)), id="cells without end"),
        pytest.param(bomb(2, (1 << 30, 1), element(5, struct.pack("<i", 4)) + element(1, b"abc\0")), id="rows"),
        pytest.param(bomb(2, (1 << 30, 1), element(5, struct.pack("<i", 0)) + element(1, b"")), id="no fields"),
        pytest.param(bomb(6, (1 << 30, 1), element(9, bytes(8))), id="numbers"),
        pytest.param(bomb(5, (1, 1)), id="sparse"),
        pytest.param(bomb(1, (-1, 1)), id="a negative size"),
        pytest.param(nested(5000), id="deep"),
    ],
)
def test_a_small_file_that_claims_much_is_refused_at_once(content: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"^its? ") as raised:
        read_mat(content, "a")
    assert "\n" not in str(raised.value)
    assert time.monotonic() - started < 5
