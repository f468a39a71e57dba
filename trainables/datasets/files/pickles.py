"""Reads pickles of arrays, lists, dicts, numbers, bytes and text. A pickle that names anything else is refused."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

_NUMBERS = re.compile(r"[|<>=]?[biuf][1248]")


def load_plain(content: bytes) -> Any:
    """What a pickle holds. Texts of Python 2 are read as Latin-1.

    Raises:
        Exception: Of any kind, if the pickle is broken or names what is not plain; then nothing of it has run.
    """
    return _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core")
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is neither array, list nor text") from None


def _empty(*_: object) -> npt.NDArray[Any]:
    """An array as pickles begin them: its shape and content follow."""
    return np.empty(0, np.uint8)


def _dtype(name: str, *_: object) -> np.dtype[Any]:
    if not _NUMBERS.fullmatch(name):
        raise pickle.UnpicklingError(f"it has an array of {name!r}, which are no numbers")
    return np.dtype(name)


def _from_bytes(content: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> npt.NDArray[Any]:
    return np.frombuffer(content, dtype).reshape(shape, order="F" if order == "F" else "C")


def _encode(text: str, *_: object) -> bytes:
    """Bytes, which old pickles of Python 3 hold as text."""
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Callable[..., Any] | None] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy.core.numeric", "_frombuffer"): _from_bytes,
    ("numpy", "ndarray"): None,  # what `_reconstruct` is told to make
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}
