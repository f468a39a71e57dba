"""Prepared inputs on disk: made once, keyed by all that determines them, whole or not there.

An entry is a folder of ``inputs.npy`` and ``about.json``. It is written under another name and renamed when it is
complete, and its digest is checked when it is read; nothing in it is pickled.
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

FORMAT = 1  # raise it when the same key should mean other contents


@dataclass(frozen=True)
class Prepared:
    """Inputs as encoders read them.

    Attributes:
        inputs: [N, ...] in memory-mapped pages.
        twins: Positions of images that are the same, those of one image together.
        content: Digest of the images themselves, whatever machine has prepared them.
    """

    inputs: Tensor
    twins: list[list[int]]
    content: str


def entry_folder(cache: Path, name: str, recipe: Mapping[str, object]) -> Path:
    """Where the entry of a recipe stands.

    Args:
        cache: The cache's folder.
        name: What a person should recognise it by; whatever it holds, it stays one plain folder name.
        recipe: All that determines the entry, as JSON values.
    """
    text = json.dumps({**recipe, "format": FORMAT}, sort_keys=True)
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
    return cache / f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def prepared_once(folder: Path, make: Callable[[], tuple[Tensor, list[str]]]) -> Prepared:
    """The entry of a folder, made if it is not there or not as it was written; one process makes it, others wait.

    Args:
        folder: As `entry_folder` gives it.
        make: Gives inputs and the digest of each image.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        found = read_entry(folder)
        if found is None:
            for left_by_a_killed_process in folder.parent.glob(f".{folder.name}.*"):
                shutil.rmtree(left_by_a_killed_process, ignore_errors=True)
            inputs, digests = make()
            _write(folder, inputs, digests)
            found = read_entry(folder)
    if found is None:
        raise OSError(f"{folder} cannot be read back after it was written")
    return found


def read_entry(folder: Path) -> Prepared | None:
    """The entry of a folder; None if there is none, or not the one that was written."""
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        array = np.load(folder / "inputs.npy", mmap_mode="c", allow_pickle=False)
        if array_digest(array) != about["digest"]:
            return None
        twins = [[int(position) for position in group] for group in about["twins"]]
        return Prepared(torch.from_numpy(array), twins, str(about["content"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def find_twins(digests: Sequence[str]) -> list[list[int]]:
    """Positions of the images that stand in a dataset more than once, those of one image together."""
    positions = defaultdict(list)
    for position, digest in enumerate(digests):
        positions[digest].append(position)
    return [group for group in positions.values() if len(group) > 1]


def _write(folder: Path, inputs: Tensor, digests: list[str]) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        array = inputs.contiguous().numpy()
        np.save(scratch / "inputs.npy", array, allow_pickle=False)
        content = hashlib.sha256("".join(digests).encode()).hexdigest()
        about = {"digest": array_digest(array), "twins": find_twins(digests), "content": content}
        (scratch / "about.json").write_text(json.dumps(about), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
