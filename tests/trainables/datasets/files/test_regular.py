"""Files that are none, and files that are too large."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from trainables.datasets.errors import DatasetError
from trainables.datasets.files.regular import file_digest, read_regular


def test_a_regular_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").symlink_to("a")
    for name in ("a", "b"):
        assert read_regular(tmp_path / name, 7) == b"content"
        assert file_digest(tmp_path / name) == hashlib.sha256(b"content").hexdigest()
    with pytest.raises(DatasetError, match="has more than 6 bytes"):
        read_regular(tmp_path / "a", 6)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "absent", 7)


def test_a_fifo_a_device_and_a_folder_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path in (tmp_path / "fifo", tmp_path / "zero", tmp_path):
        for read in (lambda path: read_regular(path, 100), file_digest):
            with pytest.raises(DatasetError, match="is no regular file"):
                read(path)
