from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.datasets.cache import entry_folder, find_duplicates, load_or_make, read_entry

INPUTS = torch.arange(24, dtype=torch.uint8).view(4, 2, 3)
DIGESTS = ["a", "b", "a", "c"]


def make() -> tuple[torch.Tensor, list[str]]:
    return INPUTS, DIGESTS


def refuse() -> tuple[torch.Tensor, list[str]]:
    raise AssertionError("made twice")


def test_an_entry_is_made_once_and_read_back_completely(tmp_path: Path) -> None:
    folder = entry_folder(tmp_path, "birds", {"side": 3})
    first, second = load_or_make(folder, make), load_or_make(folder, refuse)
    for entry in (first, second):
        assert torch.equal(entry.inputs, INPUTS)
        assert entry.duplicates == [[0, 2]]
        assert entry.source_digest == first.source_digest


def test_each_recipe_has_its_own_entry_and_a_name_stays_one_folder(tmp_path: Path) -> None:
    folders = [entry_folder(tmp_path, "../../birds /x", {"side": side}) for side in (3, 4)]
    assert folders[0] != folders[1]
    assert {folder.parent for folder in folders} == {tmp_path}


@pytest.mark.parametrize("file", ["inputs.npy", "about.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, file: str, damage: str) -> None:
    folder = entry_folder(tmp_path, "birds", {})
    load_or_make(folder, make)
    content = (folder / file).read_bytes()
    if damage == "gone":
        (folder / file).unlink()
    else:
        flipped = content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]
        (folder / file).write_bytes(content[:-5] if damage == "cut" else flipped)
    entry = read_entry(folder)
    assert entry is None or (file == "about.json" and torch.equal(entry.inputs, INPUTS))
    if entry is None:
        assert torch.equal(load_or_make(folder, make).inputs, INPUTS)


def test_nothing_in_an_entry_is_unpickled(tmp_path: Path) -> None:
    folder = entry_folder(tmp_path, "birds", {})
    load_or_make(folder, make)
    np.save(folder / "inputs.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert read_entry(folder) is None


def test_a_process_killed_while_writing_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    folder = entry_folder(tmp_path, "birds", {})
    script = f"""
        import os, numpy, signal
        from pathlib import Path
        from tests.trainables.datasets.test_cache import make
        from trainables.datasets import cache
        cache.np.save = lambda path, array, **_: (path.write_bytes(b"half"), os.kill(os.getpid(), signal.SIGKILL))
        cache.load_or_make(Path({str(folder)!r}), make)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == -9
    assert any(name.startswith(f".{folder.name}") for name in os.listdir(tmp_path))
    assert read_entry(folder) is None
    assert torch.equal(load_or_make(folder, make).inputs, INPUTS)
    assert sorted(os.listdir(tmp_path)) == sorted([folder.name, f"{folder.name}.lock"])


def test_duplicates_are_the_positions_of_one_digest() -> None:
    assert find_duplicates(["x", "y", "x", "z", "y", "x"]) == [[0, 2, 5], [1, 4]]


@pytest.mark.parametrize("twins", ["[[0, 4]]", "[[-1, 0]]", "[[0, 1e999]]", "[" * 100_000])
def test_an_entry_whose_twins_are_no_images_of_it_is_made_again(tmp_path: Path, twins: str) -> None:
    folder = entry_folder(tmp_path, "birds", {})
    load_or_make(folder, make)
    about = folder / "about.json"
    about.write_text(about.read_text().replace("[[0, 2]]", twins.replace("1e999", "Infinity")))
    assert read_entry(folder) is None
    assert load_or_make(folder, make).duplicates == [[0, 2]]
