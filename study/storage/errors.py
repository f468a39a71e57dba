"""One kind of error for everything that can go wrong with a folder or an address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.masking import hidden
from analysis.plain_text import message_text
from analysis.store.files import Folder
from analysis.store.mlflow_client import reason


class StorageError(OSError):
    """An error of a remote address, in one line; ``strerror`` is that line without the address."""

    def __init__(self, path: Folder, error: Exception) -> None:
        super().__init__(f"{message_text(hidden(str(path)))}: {reason(error)}")
        self.strerror = reason(error)


@contextmanager
def storage_errors(path: Folder, unchanged: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turns the errors of a block that reads or writes `path` into one kind.

    The packages of remote file systems raise errors of many kinds, which callers cannot list.

    Args:
        path: What the block reads or writes. Errors of a local disk are raised unchanged.
        unchanged: Errors that do not come from the storage, and are raised unchanged.

    Raises:
        StorageError: If the remote address raises an error of any kind.
    """
    try:
        yield
    except unchanged:
        raise
    except Exception as error:
        if isinstance(path, Path):
            raise
        raise StorageError(path, error) from error
