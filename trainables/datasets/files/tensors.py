"""Reads what `torch.save` has written, as tensors, numbers and names alone, and no more than the bytes hold."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import torch

_ZIP = b"PK\x03\x04"


def load_tensors(content: bytes) -> Any:
    """What a file of `torch.save` holds, on the CPU; nothing in it runs.

    Raises:
        ValueError: If it holds more than tensors, numbers and names, or would unfold: `torch.save` compresses nothing,
            so a small file that takes much memory is none of its own.
        Exception: Of any kind, if it is broken.
    """
    file = _rewritten(content) if is_zip(content) else io.BytesIO(content)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # its words propose to load the file nevertheless
        raise ValueError("it holds more than tensors, numbers and names, or is broken") from None


def is_zip(content: bytes) -> bool:
    """Whether a file has the format of today's PyTorch; that of old versions is no archive."""
    return content.startswith(_ZIP)


def _rewritten(content: bytes) -> io.BytesIO:
    """The archive as this function has read it. PyTorch's own reader might find other parts in odd bytes."""
    rewritten, size, names = io.BytesIO(), 0, set[str]()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(rewritten, "w") as out:
        for member in archive.infolist():
            size += member.file_size
            if member.filename in names:
                raise ValueError("two of its parts have one name")
            names.add(member.filename)
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise ValueError("its parts are compressed, which PyTorch does not do")
            if size > len(content):
                raise ValueError("its parts overlap, which those of PyTorch do not")
            out.writestr(member.filename, archive.read(member))
    rewritten.seek(0)
    return rewritten
