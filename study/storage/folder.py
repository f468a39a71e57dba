"""The folder of a study: where it is, whether it can be written, and the records in it."""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from upath import UPath

from analysis.store.files import PARTIAL, Folder, list_files, modified, remove_file, write_new
from analysis.store.mlflow_client import reason
from analysis.store.records import BrokenRecordError, PackRecord, UnusableRecordsError, read_records
from study.errors import StudyError
from study.storage.errors import storage_errors

_PROBE = re.compile(r"\.writable\.[0-9a-f]+")
_HALF_MADE_SECONDS = 60.0  # after which no living process is still writing a file
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss"}


def check_storage(folder: Folder) -> None:
    """Makes a study's folder, and checks that it can be written.

    In an object store only the folder itself is made: a typing error must not create a bucket.

    Raises:
        StudyError: If the folder cannot be made or written.
    """
    probe = folder / f".writable.{uuid.uuid4().hex}"
    try:
        with storage_errors(folder):
            folder.mkdir(parents=UPath(folder).protocol not in _OBJECT_STORES, exist_ok=True)
            write_new(probe, b"x")
            remove_file(probe)  # the session that holds the study clears those that a kill has left
    except OSError as error:
        remedy = "choose another folder" if isinstance(folder, Path) else "make that bucket, or give another address"
        raise StudyError(
            f"--storage: cannot write under {folder} ({error.strerror or reason(error)}): {remedy}"
        ) from None


def clear_half_made(folder: Folder) -> None:
    """Removes what killed sessions began to write: parts of records and reports, and probes of the folder.

    Only the session that holds the study may call this. A report that another process is writing is left alone.
    """
    for place in (folder, folder / "records", folder / "report", folder / "report" / "figures"):
        remove_left_behind(place, PARTIAL)
        remove_left_behind(place, _PROBE)


def remove_left_behind(folder: Folder, names: re.Pattern[str]) -> None:
    """Removes files whose names fit and that no living process is still writing, for they are a minute old."""
    with contextlib.suppress(Exception):  # they do no harm, and the next session tries again
        for name in list_files(folder, names):
            if time.time() - modified(folder / name) > _HALF_MADE_SECONDS:
                remove_file(folder / name)


def is_folder(path: Folder) -> bool:
    """Whether a folder exists.

    Raises:
        OSError: If the storage does not answer.
    """
    with storage_errors(path):
        return path.is_dir()


def stored_records(folder: Folder) -> Iterator[PackRecord | BrokenRecordError]:
    """All records of a folder, as `read_records` gives them.

    Raises:
        OSError: If they cannot be read.
        UnusableRecordsError: As `read_records` does.
    """
    with storage_errors(folder, unchanged=(UnusableRecordsError,)):
        yield from read_records(folder)
