"""The folder or address that studies lie in, and one kind of error for all that can be wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upath import UPath

from analysis.mlflow_client import reason
from analysis.records import BrokenRecordError, PackRecord, read_records


class StorageError(OSError):
    """What a remote address has raised, in one line; ``strerror`` is that without the address."""

    def __init__(self, place: Path | UPath, error: Exception) -> None:
        super().__init__(f"{place}: {reason(error)}")
        self.strerror = reason(error)


@contextmanager
def storage_errors(place: Path | UPath, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """For a block that reads or writes somewhere: the packages of remote file systems raise what they like.

    Args:
        place: What is read or written. On this machine's disks errors stay what they are.
        but: Errors of the block that are not the storage's.

    Raises:
        StorageError: In place of whatever a remote address raises.
    """
    try:
        yield
    except but:
        raise
    except Exception as error:
        if isinstance(place, Path):
            raise
        raise StorageError(place, error) from error


def stored_records(folder: Path | UPath) -> Iterator[PackRecord | BrokenRecordError]:
    """As `read_records`.

    Raises:
        OSError: If they cannot be read.
    """
    with storage_errors(folder):
        yield from read_records(folder)


def is_folder(place: Path | UPath) -> bool:
    """Whether there is such a folder.

    Raises:
        OSError: If that cannot be seen.
    """
    with storage_errors(place):
        return place.is_dir()
