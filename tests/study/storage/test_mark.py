"""What tells a study's folder from others."""

from __future__ import annotations

from pathlib import Path

import pytest
from upath import UPath

from study.storage.mark import FILE, folder_mark


def test_a_folder_keeps_its_mark_and_others_have_others(tmp_path: Path) -> None:
    one, other = UPath(tmp_path / "one" / "s"), UPath(tmp_path / "other" / "s")
    for folder in (one, other):
        folder.mkdir(parents=True)
    marks = [folder_mark(one), folder_mark(other)]
    assert len({*marks, folder_mark(one), folder_mark(other)}) == 2
    (tmp_path / "one").rename(tmp_path / "moved")
    assert folder_mark(UPath(tmp_path / "moved" / "s")) == marks[0]


def test_an_object_store_keeps_marks_too() -> None:
    folder = UPath("memory://marks/s")
    folder.mkdir(parents=True)
    assert folder_mark(folder) == folder_mark(folder)


@pytest.mark.parametrize("content", ["", "x" * 16, "0" * 17])
def test_what_is_no_mark_is_replaced_or_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    mark = folder_mark(UPath(tmp_path))
    assert (len(mark), folder_mark(UPath(tmp_path))) == (16, mark)


def test_a_folder_that_cannot_be_written_has_a_mark_from_its_address(tmp_path: Path) -> None:
    absent = UPath(tmp_path / "absent" / "s")
    assert folder_mark(absent) == folder_mark(absent) != folder_mark(UPath(tmp_path / "another" / "s"))
