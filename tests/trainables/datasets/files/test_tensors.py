"""Files of PyTorch's format that are not PyTorch's own."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest
import torch

from trainables.datasets.files.tensors import load_tensors

STATE = {"a": torch.arange(1000.0), "b": torch.ones(3, dtype=torch.int64)}


def saved(**options: bool) -> bytes:
    file = io.BytesIO()
    torch.save(STATE, file, **options)
    return file.getvalue()


def repacked(change: Callable[[zipfile.ZipFile, zipfile.ZipInfo, bytes], None]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved())) as archive, zipfile.ZipFile(file, "w") as out:
        for member in archive.infolist():
            change(out, member, archive.read(member))
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_tensors_come_back_also_from_files_of_old_versions(options: dict[str, bool]) -> None:
    loaded = load_tensors(saved(**options))
    assert loaded.keys() == STATE.keys()
    assert all(torch.equal(loaded[name], STATE[name]) for name in STATE)


def test_an_archive_that_unfolds_is_refused() -> None:
    def deflate(out: zipfile.ZipFile, member: zipfile.ZipInfo, content: bytes) -> None:
        out.writestr(member.filename, content, zipfile.ZIP_DEFLATED)

    with pytest.raises(ValueError, match="its parts are compressed"):
        load_tensors(repacked(deflate))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_parts_of_one_name_is_refused() -> None:
    def twice(out: zipfile.ZipFile, member: zipfile.ZipInfo, content: bytes) -> None:
        for _ in range(2):
            out.writestr(member.filename, content)

    with pytest.raises(ValueError, match="two of its parts have one name"):
        load_tensors(repacked(twice))


def test_an_archive_whose_parts_overlap_is_refused() -> None:
    content = bytearray(saved())
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        members = archive.infolist()
        largest = max(members, key=lambda member: member.file_size)
    start = content.rindex(b"PK\x05\x06")
    central = int.from_bytes(content[start + 16 : start + 20], "little")
    entry = content.index(b"PK\x01\x02", central)
    copies = []
    while content[entry : entry + 4] == b"PK\x01\x02":
        sizes = [int.from_bytes(content[entry + at : entry + at + 2], "little") for at in (28, 30, 32)]
        if int.from_bytes(content[entry + 42 : entry + 46], "little") == largest.header_offset:
            copies.append(bytes(content[entry : entry + 46 + sum(sizes)]))
        entry += 46 + sum(sizes)
    forged = bytes(content[:central]) + 100 * copies[0]
    end = bytearray(b"PK\x05\x06" + bytes(18))
    for at, width, value in ((8, 2, 100), (10, 2, 100), (12, 4, 100 * len(copies[0])), (16, 4, central)):
        end[at : at + width] = value.to_bytes(width, "little")
    with pytest.raises((ValueError, zipfile.BadZipFile), match=r"overlap|one name"):
        load_tensors(forged + bytes(end))
