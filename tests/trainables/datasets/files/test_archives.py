"""Archives that hold more than folders and files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from trainables.datasets.files import archives
from trainables.datasets.files.archives import unpack


def archive(*members: tuple[str, bytes, str]) -> io.BytesIO:
    """Members by name, kind and target of a link."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as opened:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = 4 if kind == tarfile.REGTYPE else 0
            opened.addfile(member, io.BytesIO(b"text"))
    written.seek(0)
    return written


def test_folders_and_files_are_unpacked(tmp_path: Path) -> None:
    unpack(archive(("a", tarfile.DIRTYPE, ""), ("a/b.txt", tarfile.REGTYPE, "")), tmp_path)
    assert (tmp_path / "a" / "b.txt").read_text() == "text"


@pytest.mark.parametrize(
    "member",
    [
        ("../outside.txt", tarfile.REGTYPE, ""),
        ("a/../../outside.txt", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("link", tarfile.SYMTYPE, "a"),
        ("link", tarfile.LNKTYPE, "a/b.txt"),
        ("zero", tarfile.CHRTYPE, ""),
        ("disk", tarfile.BLKTYPE, ""),
        ("fifo", tarfile.FIFOTYPE, ""),
    ],
)
def test_links_devices_and_files_outside_are_refused(tmp_path: Path, member: tuple[str, bytes, str]) -> None:
    folder = tmp_path / "inside"
    with pytest.raises(tarfile.TarError) as raised:
        unpack(archive(("a/b.txt", tarfile.REGTYPE, ""), member), folder)
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "a", "b.txt"]


@pytest.mark.parametrize(("limit", "most"), [("MOST_BYTES", 7), ("MOST_MEMBERS", 1)])
def test_an_archive_that_unpacks_to_more_than_a_data_set_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(archives, limit, most)
    with pytest.raises(tarfile.TarError, match="unpacks to more than"):
        unpack(archive(("a.txt", tarfile.REGTYPE, ""), ("b.txt", tarfile.REGTYPE, "")), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
