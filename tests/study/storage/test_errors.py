"""Errors of disks and of remote addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from upath import UPath

from study.storage.errors import StorageError, storage_errors


def test_an_error_on_a_disk_of_this_machine_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), storage_errors(tmp_path):
        _ = 1 / 0
    with pytest.raises(PermissionError), storage_errors(tmp_path):
        raise PermissionError(13, "Permission denied")


def test_an_error_of_a_remote_address_is_one_line_that_names_it() -> None:
    address = UPath("memory://study")
    with pytest.raises(StorageError, match=r"^memory://study: not now$") as raised, storage_errors(address):
        raise RuntimeError("not\n now")
    assert raised.value.strerror == "not now"
    with pytest.raises(StorageError, match=r"^memory://study: 'x'$"), storage_errors(address, unchanged=(ValueError,)):
        raise KeyError("x")
    with pytest.raises(ValueError, match="no claim"), storage_errors(address, unchanged=(ValueError,)):
        raise ValueError("no claim")
