"""The record of a pack on disk: the truth that MLflow and every report are filled from.

One Parquet file a pack, ``<study>/records/<pack>-<digest>.parquet``: a long table (run, metric, epoch, value), and in
the schema's metadata a JSON description of the runs. The digest in the name is that of the bytes, so a file that was
cut short or altered is recognised and never read; the file appears under its name by one atomic rename.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from analysis.parameters import Value
from analysis.store.files import Folder, write_whole

_DESCRIPTION = b"runs"
_DIGEST_LENGTH = 16


@dataclass(frozen=True)
class RunDescription:
    """What is known of a run apart from its metrics.

    Attributes:
        key: Hash of everything that determines the run's result.
        params: The run's parameters by name.
        tags: Where it came from (pack, code version, data digest), and ``diverged``.
        sketch: Samples of its test embeddings in two dimensions, ``x``, ``y`` and ``label``; None where none was kept.
    """

    key: str
    params: Mapping[str, Value]
    tags: Mapping[str, str]
    sketch: Mapping[str, list[float]] | None = None


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
    """A record file whose content does not match its digest, or cannot be read."""


def records_folder(storage: str | Folder, study: str) -> UPath:
    """Where the records of a study lie, under a folder or an address such as ``s3://bucket/results``."""
    return UPath(storage) / study / "records"


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
        BrokenRecordError: If the bytes do not have the digest in the file's name.
    """
    content = path.read_bytes()
    if _digest(content) != path.stem.rpartition("-")[2]:
        raise BrokenRecordError(f"{path} is cut short or altered: move it away, and its runs are trained again")
    try:
        table = pq.read_table(io.BytesIO(content))
        description = json.loads(table.schema.metadata[_DESCRIPTION])
        runs = tuple(
            RunDescription(run["key"], run["params"], run["tags"], run.get("sketch")) for run in description["runs"]
        )
        points = table.to_pandas(strings_to_categorical=True)
        return PackRecord(description["pack"], description["started"], description["finished"], runs, points)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise BrokenRecordError(f"{path} is no record of this version ({error}): move it away") from None


def read_records(folder: Folder) -> Iterator[PackRecord | BrokenRecordError]:
    """All records of a folder in order of name; a broken one comes as its error."""
    folder = UPath(folder)
    if not isinstance(folder, Path):
        folder.fs.invalidate_cache()  # an older listing in this process may be out of date
    for path in sorted(folder.glob("[!.]*.parquet"), key=str) if folder.is_dir() else ():
        try:
            yield read_record(path)
        except BrokenRecordError as error:
            yield error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]
