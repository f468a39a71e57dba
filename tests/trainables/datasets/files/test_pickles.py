"""Pickles of plain values, and of others."""

from __future__ import annotations

import collections
import os
import pickle
import pickletools
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables.datasets.files.pickles import load_plain

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_lists_and_texts_of_any_protocol_are_read(protocol: int) -> None:
    content = {"data": PIXELS, "labels": [1, 2, 3], "names": ["dög"], b"raw": b"\xff\x00", "x": (None, 1.5, True)}
    loaded = load_plain(pickle.dumps(content, protocol))
    assert np.array_equal(loaded.pop("data"), PIXELS)
    assert loaded == {name: value for name, value in content.items() if name != "data"}


def test_a_file_of_python_2_is_read_as_latin_1() -> None:
    content = b"\x80\x02}q\x01U\x04dataq\x02U\x03\xff\x00\x41q\x03s."
    assert load_plain(content) == {"data": "\xff\x00A"}


class Runs:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "value",
    [
        Runs(os.system, "touch ran"),
        Runs(eval, "open('ran', 'w')"),
        Runs(partial, print),
        collections.OrderedDict(a=1),
        np.array([{"a": 1}], dtype=object),
        np.zeros(2, dtype=[("a", "u1")]),
        np.dtype("O"),
        Path("x"),
        print,
        np.load,
    ],
)
def test_what_is_not_plain_is_refused_and_nothing_runs(
    value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(["plain", value])
    assert any(opcode.name in ("STACK_GLOBAL", "GLOBAL") for opcode, _, _ in pickletools.genops(content))
    with pytest.raises(pickle.UnpicklingError):
        load_plain(content)
    assert list(tmp_path.iterdir()) == []


def test_an_array_that_is_only_claimed_takes_no_memory() -> None:
    rebuild = np.array([0]).__reduce__()[0]
    loaded = load_plain(pickle.dumps(Runs(rebuild, np.ndarray, (1 << 50,), b"b")))
    assert loaded.size == 0
