"""The record of a pack on disk: the truth that MLflow and every report are filled from.

One Parquet file a pack, ``<study>/records/<pack>-<digest>.parquet``: a long table (run, metric, epoch, value), and in
the schema's metadata a JSON description of the runs. The digest in the name is that of the bytes, so a file that was
cut short or altered is recognised and never read; the file appears under its name by one atomic rename. Whoever can
write the storage can give a file of his own a fitting name: so its sizes, its columns and each value are checked too.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from analysis.limits import raised, remedy
from analysis.plain_text import message_text, name_text
from analysis.store.files import Folder, UnsafeFileError, read_file, study_folder, write_whole
from analysis.store.record_schema import (
    PackDescription,
    RunDescription,
    SchemaError,
    check_points,
    checked_description,
    most_points,
)

_DESCRIPTION = b"runs"
_DIGEST_LENGTH = 16
_COLUMNS = ("key", "metric", "epoch", "value")
_NUMBERS = {"epoch": "int32", "value": "float64"}

# A pack of 32 runs of 1,000 epochs has 300,000 points in 2 MB, and a description of 0.3 MB.
MOST_BYTES = 200_000_000
MOST_UNCOMPRESSED_BYTES = 1_000_000_000
MOST_POINTS = 20_000_000
MOST_STUDY_POINTS = 100_000_000  # of all records; 100,000 runs of the demo's kind have 43 million
MOST_RECORDS = 100_000  # of a study
MOST_ROW_GROUPS = 1000
MOST_DESCRIPTION_BYTES = 20_000_000
_THRIFT_BYTES, _THRIFT_ITEMS = 1_000_000_000, 1_000_000  # of a text and a list in what Parquet says of the file


@dataclass(frozen=True, eq=False)
class PackRecord:
    """The results of a pack.

    Attributes:
        pack: Its id.
        started: When its training began, in milliseconds since 1970.
        finished: When it ended.
        runs: Its runs.
        points: Columns ``key``, ``metric``, ``epoch``, ``value``; finite values only.
    """

    pack: str
    started: int
    finished: int
    runs: tuple[RunDescription, ...]
    points: pd.DataFrame


class BrokenRecordError(ValueError):
    """A record file whose content does not match its digest, or is none that this project writes."""


class UnusableRecordsError(ValueError):
    """The records of a study cannot be used as they are, though each may be whole."""


class TooManyRecordsError(UnusableRecordsError):
    """The records of a study are more, or hold more points, than the limits allow."""


class ConflictingRecordsError(UnusableRecordsError):
    """Two records hold different results of one run, and nobody can tell which are right."""


def records_folder(storage: str | Folder, study: str) -> UPath:
    """Where the records of a study lie, under a folder or an address such as ``s3://bucket/results``."""
    return study_folder(storage, study) / "records"


def write_record(folder: Folder, record: PackRecord) -> Folder:
    """Writes a record completely or not at all.

    Raises:
        OSError: If the folder cannot be written; nothing is left behind under the record's name.
    """
    times = {"started": record.started, "finished": record.finished}
    description = {"pack": record.pack, **times, "runs": [vars(run) for run in record.runs]}
    table = pa.Table.from_pandas(record.points, preserve_index=False)
    table = table.replace_schema_metadata({_DESCRIPTION: json.dumps(description).encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    content = buffer.getvalue()

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.pack}-{_digest(content)}.parquet"
    write_whole(path, content)
    return path


def read_record(path: Folder) -> PackRecord:
    """Reads a record.

    Raises:
        BrokenRecordError: If it is no regular file, its bytes do not have the digest in its name, it is larger than
            the limits, or holds anything but the results of a pack.
        OSError: If it cannot be read.
    """
    where = name_text(path, 500)
    try:
        content = read_file(path, raised(MOST_BYTES))
    except UnsafeFileError as error:
        other = f"{error.remedy}, or " if error.remedy else ""
        raise BrokenRecordError(f"{name_text(error.path, 500)} {error.what}: {other}move it away") from None
    if _digest(content) != path.stem.rpartition("-")[2]:
        raise BrokenRecordError(f"{where} is cut short or altered: move it away, and its runs are trained again")
    try:
        return _decoded(content)
    except _LimitError as error:
        raise BrokenRecordError(f"{where} {error}: move it away, or, {remedy()}") from None
    # Arrow's errors are of several kinds, among them `KeyError` and `OSError`; deep JSON is a `RecursionError`.
    except (KeyError, TypeError, ValueError, OSError, RecursionError, OverflowError, NotImplementedError) as error:
        why = message_text(error, 200) or type(error).__name__
        raise BrokenRecordError(f"{where} is no record of this version ({why}): move it away") from None


def read_records(folder: Folder) -> Iterator[PackRecord | BrokenRecordError]:
    """All records of a folder in order of name; a broken one comes as its error.

    A run may be recorded twice, if a session recorded it and the next one did not know of it.

    Raises:
        ConflictingRecordsError: If two records hold different results of one run. It names both.
        TooManyRecordsError: If all of them are more than the limits allow, which none of them can be blamed for.
        OSError: If a record cannot be read.
    """
    folder = UPath(folder)
    if not isinstance(folder, Path):
        folder.fs.invalidate_cache()  # an older listing in this process may be out of date
    path_of: dict[str, Folder] = {}
    points, largest = 0, (0, folder)
    for path in _record_files(folder):
        try:
            record = read_record(path)
        except BrokenRecordError as error:
            yield error
            continue
        points, largest = points + len(record.points), max(largest, (len(record.points), path), key=itemgetter(0))
        if points > raised(MOST_STUDY_POINTS):
            raise TooManyRecordsError(
                f"the records in {name_text(folder, 500)} have more than {raised(MOST_STUDY_POINTS):,} points, "
                f"{largest[0]:,} of them in {largest[1].name}: move away what is not yours, or, {remedy()}"
            )
        _check_agreement(record, path, path_of)
        path_of.update((run.key, path) for run in record.runs)
        yield record


def _record_files(folder: UPath) -> list[UPath]:
    """The files of a folder that are named like records, in order of name."""
    most = raised(MOST_RECORDS)
    paths = list(islice(folder.glob("[!.]*.parquet"), most + 1)) if folder.is_dir() else []
    if len(paths) > most:
        raise TooManyRecordsError(
            f"{name_text(folder, 500)} has more than {most:,} records: move away what is not yours, or, {remedy()}"
        )
    return sorted(paths, key=str)


class _LimitError(SchemaError):
    """A record is larger than the limits allow."""


def _decoded(content: bytes) -> PackRecord:
    """The record in the bytes of a file, its sizes checked before anything is unfolded."""
    most_strings = raised(MOST_DESCRIPTION_BYTES)
    file = pq.ParquetFile(
        io.BytesIO(content),
        # Of a column that repeats a long text, each text is kept once.
        read_dictionary=["key", "metric"],
        thrift_string_size_limit=_THRIFT_BYTES,
        thrift_container_size_limit=_THRIFT_ITEMS,
    )
    _check_sizes(file.metadata)
    description = _description(file, most_strings)
    if file.metadata.num_rows > most_points(description.runs):
        raise SchemaError(f"it has {file.metadata.num_rows:,} points, more than its runs can have")
    _check_columns(file.schema_arrow)
    table = file.read(use_threads=False)
    points = table.to_pandas(strings_to_categorical=True)
    del table
    check_points(points, description.runs)
    for name, kind in _NUMBERS.items():
        if points[name].dtype != kind:
            points[name] = points[name].astype(kind)
    return PackRecord(description.pack, description.started, description.finished, description.runs, points)


def _check_sizes(metadata: pq.FileMetaData) -> None:
    groups = metadata.num_row_groups
    if groups > raised(MOST_ROW_GROUPS):
        raise _LimitError(f"has {groups:,} row groups, more than {raised(MOST_ROW_GROUPS):,}")
    if metadata.num_rows > raised(MOST_POINTS):
        raise _LimitError(f"has {metadata.num_rows:,} points, more than {raised(MOST_POINTS):,}")
    columns = [metadata.row_group(group).column(i) for group in range(groups) for i in range(metadata.num_columns)]
    if any(column.total_uncompressed_size < 0 or column.num_values > metadata.num_rows for column in columns):
        raise SchemaError("its sizes are impossible")
    size = sum(column.total_uncompressed_size for column in columns)
    if size > raised(MOST_UNCOMPRESSED_BYTES):
        raise _LimitError(f"unfolds to {size / 1e6:,.0f} MB, more than {raised(MOST_UNCOMPRESSED_BYTES) / 1e6:,.0f}")


def _check_columns(schema: pa.Schema) -> None:
    if sorted(schema.names) != sorted(_COLUMNS):
        raise SchemaError(f"its columns are not {', '.join(_COLUMNS)}")
    for name in ("key", "metric"):
        kind = schema.field(name).type
        texts = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(texts) or pa.types.is_large_string(texts)):
            raise SchemaError(f"column {name!r} holds no text")
    if not pa.types.is_integer(schema.field("epoch").type):
        raise SchemaError("column 'epoch' holds no integers")
    if not pa.types.is_floating(schema.field("value").type):
        raise SchemaError("column 'value' holds no numbers")


def _description(file: pq.ParquetFile, most: int) -> PackDescription:
    text = (file.metadata.metadata or {}).get(_DESCRIPTION)
    if text is None:
        raise SchemaError("it describes no runs")
    if len(text) > most:
        raise _LimitError(f"describes its runs in {len(text) / 1e6:,.0f} MB, more than {most / 1e6:,.0f}")
    return checked_description(json.loads(text))


def _check_agreement(record: PackRecord, path: Folder, path_of: dict[str, Folder]) -> None:
    """Raises `ConflictingRecordsError` if an earlier record holds other results of one of the runs."""
    twice = [run.key for run in record.runs if run.key in path_of]
    for earlier_path in dict.fromkeys(path_of[key] for key in twice):
        keys = [key for key in twice if path_of[key] == earlier_path]
        here, there = _results(record, keys), _results(read_record(earlier_path), keys)
        for key in keys:
            if here[key] != there[key]:
                raise ConflictingRecordsError(
                    f"{name_text(earlier_path, 500)} and {name_text(path, 500)} hold different results of one run "
                    f"({name_text(key)}): move one of them away, the one that you do not trust"
                )


def _results(record: PackRecord, keys: Collection[str]) -> dict[str, tuple[object, ...]]:
    """What a record says of some of its runs. What computed it, where and in which pack, may differ and stays out."""
    points = record.points[record.points["key"].isin(keys)]
    values: dict[str, dict[tuple[str, int], float]] = {key: {} for key in keys}
    for key, metric, epoch, value in zip(*(points[name].tolist() for name in _COLUMNS), strict=True):
        values[key][metric, epoch] = value
    return {
        run.key: (run.params, run.tags.get("diverged"), run.tags.get("data_digest"), values[run.key])
        for run in record.runs
        if run.key in values
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]
