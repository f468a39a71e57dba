"""Prepared inputs on disk. An entry is made once, and its name is a hash of everything that determines it.

An entry is a folder with ``inputs.npy`` and ``about.json``. It is written under another name and renamed when it is
complete, so a killed process leaves no incomplete entry. Reading checks its digest. Nothing in it is pickled.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from trainables.datasets.digests import array_digest

FORMAT = 1  # raise it when the same recipe must give other contents


@dataclass(frozen=True)
class CacheEntry:
    """The inputs of one encoder.

    Attributes:
        inputs: [N, ...], mapped into memory from the file.
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
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        array = np.load(folder / "inputs.npy", mmap_mode="c", allow_pickle=False)
        if array_digest(array) != about["digest"]:
            return None
        duplicates = [[int(position) for position in group] for group in about["twins"]]
        if not all(0 <= position < len(array) for group in duplicates for position in group):
            return None
        return CacheEntry(torch.from_numpy(array), duplicates, str(about["content"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, OverflowError, RecursionError):
        return None


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
