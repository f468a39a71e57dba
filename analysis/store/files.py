"""The one place where files of a study's folder are written, listed, read and deleted, on disk or at a remote address.

Others may write there too. So on a disk no link is followed below the storage, and what is read is a regular file of a
bounded size. New files get random names, which are opened only if they do not exist.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from upath import UPath

from analysis.limits import remedy

Folder = Path | UPath

PARTIAL = re.compile(r"\..+\.[0-9a-f]{32}\.partial")
"""The names of files that `write_whole` has begun."""

_ROOMS = frozenset({"records", "report", "figures", "checkpoints"})  # the folders within a study's own
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO without a writer must not keep its reader waiting
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_BLOCK = 1 << 22
_LINK = ("is a link, which is not followed in a study's folder", "put what it leads to in its place")


class UnsafeFileError(OSError):
    """What lies in a study's folder is a link, no regular file, or too large.

    Attributes:
        path: What is no such file as it should be: the file, or a folder on the way to it.
        what: What is wrong with it; ``strerror`` is both.
        remedy: What to do beside moving it away, in words; None if there is nothing else.
    """

    def __init__(self, path: object, what: str, remedy: str | None = None) -> None:
        super().__init__(f"{path} {what}")
        self.strerror = f"{path} {what}"
        self.path = path
        self.what = what
        self.remedy = remedy


def study_folder(storage: str | Folder, study: str) -> UPath:
    """The folder of a study, under a local folder or an address such as ``s3://bucket/results``."""
    local = as_local(UPath(storage))
    if study in _ROOMS and local is not None:
        # `_trusted` takes this study for a room of another one, and would find a storage that is a link below it.
        storage = local.resolve()
    return UPath(storage) / study


def write_whole(path: Folder, content: bytes) -> None:
    """Writes a file completely or not at all; it replaces an older one of that name.

    Raises:
        OSError: If it cannot be written; an older file stays as it was. Remote file systems may raise other errors.
        UnsafeFileError: If the folder is a link, or lies in one within its study.
    """
    partial = f".{path.name}.{uuid.uuid4().hex}.partial"
    local = as_local(path)
    if local is None:
        remote: Any = path.with_name(partial)
        try:
            remote.write_bytes(content)
            remote.rename(path)
        finally:
            remote.unlink(missing_ok=True)
        return
    with opened_folder(*_trusted(local.parent)) as folder:
        replace_in(folder, local.name, content, partial)


def write_new(path: Folder, content: bytes) -> None:
    """Writes a file that must not exist yet. Remote addresses replace one that does.

    Raises:
        OSError: As for `write_whole`, and if there is a file of that name.
    """
    local = as_local(path)
    if local is None:
        path.write_bytes(content)
        return
    with opened_folder(*_trusted(local.parent)) as folder:
        _write_new_in(folder, local.name, content)


def read_file(path: Folder, most: int) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: If it cannot be read. Remote file systems may raise other errors.
        UnsafeFileError: If it is a link, no regular file, or longer than `most` bytes.
    """
    content = read_start(path, most + 1)
    if len(content) > most:
        raise UnsafeFileError(path, f"is longer than {most} bytes, the most that is read of such a file", remedy())
    return content


def read_start(path: Folder, count: int) -> bytes:
    """The first bytes of a regular file, at most `count`; raises what `read_file` does."""
    local = as_local(path)
    if local is None:
        # Without the cache, no more than these bytes are fetched.
        with UPath(path).fs.open(UPath(path).path, "rb", cache_type="none") as file:
            content: bytes = file.read(count)
        return content
    with opened_folder(*_trusted(local.parent)) as folder:
        try:
            descriptor = os.open(local.name, _READ_FLAGS, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UnsafeFileError(path, *_LINK) from None
            if error.errno == errno.ENXIO:  # a socket
                raise UnsafeFileError(path, "is no regular file") from None
            raise type(error)(error.errno, error.strerror, str(path)) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnsafeFileError(path, "is no regular file")
        with os.fdopen(descriptor, "rb") as opened:
            return _read_at_most(opened, count)


def list_files(folder: Folder, names: re.Pattern[str]) -> list[str]:
    """The names of the regular files in a folder that fit a pattern wholly, sorted. An absent folder has none.

    Raises:
        OSError: If it cannot be listed. Remote file systems may raise other errors.
        UnsafeFileError: If it is a link, or lies in one within its study.
    """
    local = as_local(folder)
    try:
        if local is None:
            return sorted(name for name in _remote_files(UPath(folder)) if names.fullmatch(name))
        with opened_folder(*_trusted(local)) as opened, os.scandir(opened) as entries:
            return sorted(e.name for e in entries if names.fullmatch(e.name) and e.is_file(follow_symlinks=False))
    except FileNotFoundError:
        return []


def remove_file(path: Folder) -> None:
    """Removes a file, or a link itself, if it is there; raises what `write_whole` does."""
    local = as_local(path)
    if local is None:
        path.unlink(missing_ok=True)
        return
    with suppress(FileNotFoundError), opened_folder(*_trusted(local.parent)) as folder:
        os.unlink(local.name, dir_fd=folder)


def modified(path: Folder) -> float:
    """When a file was last changed, in seconds since 1970; of a link, when the link was."""
    local = as_local(path)
    return float(path.stat().st_mtime if local is None else local.lstat().st_mtime)


def as_local(path: Folder) -> Path | None:
    """The path on this machine's disks, also of ``file://`` addresses; None for other addresses."""
    if isinstance(path, Path):
        return Path(os.fspath(path))
    return Path(path.path) if UPath(path).protocol in ("file", "local") else None


@contextmanager
def opened_folder(trusted: Path, names: tuple[str, ...], make: bool = False) -> Iterator[int]:
    """Opens a folder step by step, without following a link below a trusted one.

    Args:
        trusted: A folder that may be, or lie in, a link.
        names: The way from there, folder by folder.
        make: Whether folders that are missing are made.

    Yields:
        Its descriptor, for the ``dir_fd`` of functions of `os`.

    Raises:
        OSError: If it does not exist.
        UnsafeFileError: If a folder on the way is a link.
    """
    path, descriptor = trusted, os.open(trusted, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names:
            path /= name
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=descriptor)
            try:
                following = os.open(name, _FOLDER_FLAGS, dir_fd=descriptor)
            except OSError as error:
                if stat.S_ISLNK(_mode(name, descriptor)):
                    raise UnsafeFileError(path, *_LINK) from None
                raise type(error)(error.errno, error.strerror, str(path)) from None
            os.close(descriptor)
            descriptor = following
        yield descriptor
    finally:
        os.close(descriptor)


def replace_in(folder: int, name: str, content: bytes, partial: str) -> None:
    """Writes a file into an open folder completely or not at all, under the name `partial` first."""
    try:
        _write_new_in(folder, partial, content)
        os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial, dir_fd=folder)
        raise


def _write_new_in(folder: int, name: str, content: bytes) -> None:
    with os.fdopen(os.open(name, _NEW_FLAGS, 0o666, dir_fd=folder), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _trusted(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """The storage that a folder of a study lies in, and the way from there."""
    names: list[str] = []
    while folder.name in _ROOMS:
        names.insert(0, folder.name)
        folder = folder.parent
    return folder.parent, (folder.name, *names) if folder.name else tuple(names)


def _mode(name: str, folder: int) -> int:
    with suppress(OSError):
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    return 0


def _read_at_most(file: IO[bytes], count: int) -> bytes:
    """Reads block by block: a size that is only claimed must not be allocated."""
    blocks = []
    while count > 0 and (block := file.read(min(count, _BLOCK))):
        blocks.append(block)
        count -= len(block)
    return b"".join(blocks)


def _remote_files(folder: UPath) -> Iterator[str]:
    """The files right in a folder. A key with an empty part, such as ``report//name``, is none of them."""
    base = folder.path.strip("/")
    for entry in folder.fs.ls(folder.path, detail=True):
        above, _, name = str(entry["name"]).strip("/").rpartition("/")
        if entry["type"] == "file" and name and above == base:
            yield name
