"""Prepared inputs on disk. An entry is made once, and its name is a hash of everything that determines it.

An entry is a folder with ``inputs.npy`` and ``about.json``. It is written under another name and renamed when it is
complete, so a killed process leaves no incomplete entry. Reading checks its digest, which shows damage. It does not
show that somebody has changed both: see `study.data.cached_inputs`. Nothing in it is pickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import os
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock
from torch import Tensor

from trainables.datasets.digests import array_digest
from trainables.datasets.files.regular import open_regular, read_regular

_LARGEST_NOTE = 1 << 28  # bytes of a note about an entry
FORMAT = 1  # raise it when the same recipe must give other contents


@dataclass(frozen=True)
class CacheEntry:
    """The inputs of one encoder.

    Attributes:
        inputs: [N, ...], in memory: a file that is only mapped could change after its check.
        duplicates: Groups of positions; all images of a group are equal.
        source_digest: Digest of the original images. It is the same on every machine.
    """

    inputs: Tensor
    duplicates: list[list[int]]
    source_digest: str


def entry_folder(cache: Path, name: str, recipe: Mapping[str, object]) -> Path:
    """The folder of an entry.

    Args:
        cache: The cache's folder.
        name: Helps a person to recognise the entry. Special characters are replaced.
        recipe: Everything that determines the entry, as JSON values.
    """
    text = json.dumps({**recipe, "format": FORMAT}, sort_keys=True)
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
    return cache / f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def load_or_make(folder: Path, make: Callable[[], tuple[Tensor, list[str]]]) -> CacheEntry:
    """Reads an entry. If it is missing or damaged, it is made first: one process makes it, the others wait.

    Args:
        folder: From `entry_folder`.
        make: Returns the inputs [N, ...] and the digest of each image.

    Raises:
        OSError: If the entry cannot be written, or not read after it was written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        entry = read_entry(folder)
        if entry is None:
            for unfinished in folder.parent.glob(f".{folder.name}.*"):  # a killed process left it
                shutil.rmtree(unfinished, ignore_errors=True)
            inputs, digests = make()
            _write(folder, inputs, digests)
            entry = read_entry(folder)
    if entry is None:
        raise OSError(f"{folder} cannot be read back after it was written")
    return entry


def read_entry(folder: Path) -> CacheEntry | None:
    """The entry in a folder, or None if it is missing or damaged."""
    try:
        about = json.loads(read_regular(folder / "about.json", _LARGEST_NOTE))
        array = _load(folder / "inputs.npy")
        if array_digest(array) != about["digest"]:
            return None
        duplicates = [[operator.index(position) for position in group] for group in about["twins"]]
        twins = [position for group in duplicates for position in group]
        if len(set(twins)) < len(twins) or any(not 0 <= position < len(array) for position in twins):
            return None
        return CacheEntry(torch.from_numpy(array), duplicates, str(about["content"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, MemoryError):
        return None


def _load(file: Path) -> npt.NDArray[Any]:
    """The array of an NPY file, as large as the file, in row-major order.

    Raises:
        OSError, ValueError: If the file is broken, or none that this module has written.
    """
    with open_regular(file) as opened:
        version = np.lib.format.read_magic(opened)
        if version != (1, 0):
            raise ValueError(f"{file} has a format of NumPy's that is not written here")
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(opened)
        size = math.prod(shape) * dtype.itemsize
        if in_columns or dtype.hasobject or not shape or size != os.fstat(opened.fileno()).st_size - opened.tell():
            raise ValueError(f"{file} is cut short, or has another form than is written here")
        array = np.empty(shape, dtype)
        if opened.readinto(array.reshape(-1).view(np.uint8).data) != size:  # type: ignore[attr-defined]
            raise ValueError(f"{file} is cut short")
    return array


def find_duplicates(digests: Sequence[str]) -> list[list[int]]:
    """Groups of the positions of equal images. Images that occur once are in no group."""
    groups = defaultdict(list)
    for position, digest in enumerate(digests):
        groups[digest].append(position)
    return [group for group in groups.values() if len(group) > 1]


def _write(folder: Path, inputs: Tensor, digests: list[str]) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        array = inputs.contiguous().numpy()
        np.save(unfinished / "inputs.npy", array, allow_pickle=False)
        source_digest = hashlib.sha256("".join(digests).encode()).hexdigest()
        about = {"digest": array_digest(array), "twins": find_duplicates(digests), "content": source_digest}
        (unfinished / "about.json").write_text(json.dumps(about), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
