"""Files of a study's folder, where others may have put links, FIFOs and large files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from upath import UPath

from analysis.store.files import (
    Folder,
    UnsafeFileError,
    list_files,
    read_file,
    read_start,
    remove_file,
    study_folder,
    write_new,
    write_whole,
)

ANY = re.compile(r"[\w.-]+")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder of the user's, which is none of the study's business."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".bashrc").write_text("mine")
    (folder / "a.txt").write_text("mine")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("address", [None, "file", "memory://files-of-a-study"])
def test_what_is_written_is_listed_read_and_removed(address: str | None, tmp_path: Path) -> None:
    storage = tmp_path if address is None else f"file://{tmp_path}" if address == "file" else address
    folder = UPath(storage) / "s" / "records"
    folder.mkdir(parents=True, exist_ok=True)
    assert list_files(folder.parent / "report", ANY) == []
    for content in (b"first", b"second"):
        write_whole(folder / "a", content)
        assert read_file(folder / "a", 6) == content
    write_new(folder / "b", b"x")
    assert list_files(folder, ANY) == ["a", "b"]
    assert list_files(folder, re.compile("b")) == ["b"]
    assert read_start(folder / "a", 3) == b"sec"
    with pytest.raises(UnsafeFileError, match="a is longer than 5 bytes"):
        read_file(folder / "a", 5)
    for name in ("a", "b", "absent"):
        remove_file(folder / name)
    assert list_files(folder, ANY) == []
    with pytest.raises(FileNotFoundError):
        read_file(folder / "a", 6)


OPERATIONS: dict[str, Callable[[Folder], object]] = {
    "write": lambda folder: write_whole(folder / "a.txt", b"theirs"),
    "write new": lambda folder: write_new(folder / "new.txt", b"theirs"),
    "read": lambda folder: read_file(folder / "a.txt", 100),
    "list": lambda folder: list_files(folder, ANY),
    "remove": lambda folder: remove_file(folder / "a.txt"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("link", ["s", "s/report", "s/report/figures"])
def test_no_link_below_the_storage_is_followed(tmp_path: Path, private: Path, link: str, operation: str) -> None:
    for storage in (tmp_path / "results", f"file://{tmp_path}/results"):
        folder = UPath(storage) / "s" / "report" / "figures"
        place = tmp_path / "results" / link
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.is_symlink():
            place.symlink_to(private)
        below = folder.path.removeprefix(str(place)).strip("/")
        (private / below).mkdir(parents=True, exist_ok=True)
        (private / below / "a.txt").write_text("mine")
        with pytest.raises(UnsafeFileError, match=re.escape(f"{place} is a link")):
            OPERATIONS[operation](folder)
        assert (private / below / "a.txt").read_text() == "mine"
        assert not (private / below / "new.txt").exists()


def test_a_storage_that_is_a_link_itself_is_the_users_choice(tmp_path: Path) -> None:
    (tmp_path / "disk" / "s" / "records").mkdir(parents=True)
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    write_whole(tmp_path / "results" / "s" / "records" / "a", b"x")
    assert names(tmp_path / "disk" / "s" / "records") == ["a"]


@pytest.mark.parametrize("study", ["records", "report", "figures", "checkpoints"])
def test_a_study_may_be_called_like_one_of_its_folders_in_a_storage_that_is_a_link(tmp_path: Path, study: str) -> None:
    (tmp_path / "disk" / study / "report" / "figures").mkdir(parents=True)
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    for storage in (tmp_path / "results", f"file://{tmp_path}/results"):
        own = study_folder(storage, study)
        for folder in (own, own / "report", own / "report" / "figures"):
            write_new(folder / "a", b"x")
            remove_file(folder / "a")
    (tmp_path / "disk" / study).rename(tmp_path / "elsewhere")
    (tmp_path / "disk" / study).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeFileError, match=f"{study} is a link"):
        write_new(study_folder(tmp_path / "results", study) / "a", b"x")


def test_a_link_in_place_of_a_file_is_neither_read_nor_written_through(tmp_path: Path, private: Path) -> None:
    (tmp_path / "a.txt").symlink_to(private / "a.txt")
    with pytest.raises(UnsafeFileError, match=r"a\.txt is a link"):
        read_file(tmp_path / "a.txt", 100)
    assert list_files(tmp_path, ANY) == []
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "a.txt", b"theirs")
    write_whole(tmp_path / "a.txt", b"theirs")
    assert (tmp_path / "a.txt").read_text() == "theirs"
    assert (private / "a.txt").read_text() == "mine"
    (tmp_path / "b.txt").symlink_to(private / "a.txt")
    remove_file(tmp_path / "b.txt")
    assert names(private) == [".bashrc", "a.txt"]


def test_what_is_no_regular_file_is_neither_waited_for_nor_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    assert list_files(tmp_path, ANY) == []
    for name in ("fifo", "folder", "zero"):
        with pytest.raises(OSError, match=r"no regular file|is a link"):
            read_file(tmp_path / name, 100)


def test_the_names_of_unfinished_files_cannot_be_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    really = os.open

    def note(path: str, *arguments: int, **options: int) -> int:
        opened.append(str(path))
        return really(path, *arguments, **options)

    monkeypatch.setattr("os.open", note)
    write_whole(tmp_path / "a", b"x")
    write_whole(tmp_path / "a", b"x")
    partial = [name for name in opened if name.endswith(".partial")]
    assert len(set(partial)) == 2
    assert all(re.fullmatch(r"\.a\.[0-9a-f]{32}\.partial", name) for name in partial)


def test_keys_with_empty_or_climbing_parts_are_no_files_of_a_remote_folder() -> None:
    folder = UPath("memory://odd-keys/s/report")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_bytes(b"x")
    for key in ("/odd-keys/s/report//etc/evil", "/odd-keys/s/report/../../evil", "/odd-keys/s/report//report.html"):
        folder.fs.store[key] = folder.fs.store["/odd-keys/s/report/report.md"]
    assert list_files(folder, ANY) == ["report.md"]
