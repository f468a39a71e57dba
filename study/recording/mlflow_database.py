"""Writes a pack's runs into MLflow's database at once, in one transaction.

MLflow's interface takes 30 ms or more of the driver's time for the smallest run, where this takes about one; for a run
of 400 points it takes 116 ms in PostgreSQL, where this takes 25. The tables are MLflow's own, and may change. So each
new row copies a run that MLflow itself has written, the example. If a row does not fit into the tables, the runs are
left to MLflow's interface.
"""

from __future__ import annotations

import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, column, create_engine, event, func, insert, select, table, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

NAME_TAG = "mlflow.runName"  # MLflow sets it beside the name
_JOURNAL = bytes.fromhex("d9d505f920a163d7")  # begins SQLite's journals, and ends those that name another file
_LOCK_SECONDS = 3.0  # for which another program may lock an SQLite file; Ctrl-C waits as long
_CONNECT_SECONDS = 10  # for which a database may take to answer
_REFUSALS = ("does not exist", "password", "pg_hba.conf")  # in what PostgreSQL says if no later time will change it
_ROWS_LOOKED_AT = 400  # of an index: as many as SQLite's documentation advises, so that it takes some hundredths
_EXAMPLE = text("SELECT * FROM runs WHERE run_uuid = :example")
_LOCKS = {  # by kind of database; each lasts as long as its transaction or connection
    "postgresql": select(func.pg_advisory_xact_lock(0x6D6C666C6F77)),
    "mysql": select(func.get_lock("mlflow", 600)),
}
Result = TypeVar("Result")


class UnsafeJournalError(ValueError):
    """What lies beside an SQLite file would have another file deleted. The message is one line."""


@dataclass(frozen=True)
class TrackedRun:
    """A run as MLflow keeps it.

    Attributes:
        key: The run's key in the study.
        name: The name that the interface shows.
        started: When it started, in milliseconds since 1970. All its points bear this time: so a point that was shown
            while it trained and is written again from the record is the same point.
        finished: When it ended; None while it trains.
        tags: All its tags except the name.
        params: Its parameters as text.
        points: Metric, epoch and value of each point. Values are finite, and no point is there twice.
    """

    key: str
    name: str
    started: int
    finished: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Sequence[tuple[str, int, float]]


def new_run_ids(count: int) -> list[str]:
    """Ids of 32 hexadecimal digits in ascending order: the time, then random digits.

    MLflow's indexes hold the id. Rows with ascending ids are appended to them, which takes half the time of inserting
    them in random order.
    """
    milliseconds = f"{time.time_ns() // 1_000_000:012x}"
    return sorted(milliseconds + secrets.token_hex(10) for _ in range(count))


def database_file(uri: str) -> Path | None:
    """The file of an MLflow address, or None if it is not a plain SQLite file."""
    url = _parsed(uri)
    plain = url is not None and url.drivername == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if url is not None and plain and not url.query else None


def database_engine(uri: str) -> Engine | None:
    """The database that an MLflow address names. It is connected to at each use, an SQLite file after `check_journal`.

    Returns:
        None if the address is that of a server of MLflow's, or of another database, or SQLite's but no plain file.

    Raises:
        ImportError: If the database's driver is not installed.
    """
    file = database_file(uri)
    if file is not None:
        existing = {"mode": "rw", "uri": "true"}
        url = URL.create("sqlite", database=f"file:{quote(str(file.absolute()))}", query=existing)
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": _LOCK_SECONDS})
        event.listen(engine, "do_connect", lambda *_: check_journal(file))
        return engine
    parsed = _parsed(uri)
    if parsed is None or parsed.get_backend_name() not in _LOCKS:
        return None
    patient = "connect_timeout" in parsed.query or parsed.get_driver_name() not in ("psycopg", "psycopg2")
    return create_engine(
        parsed, poolclass=NullPool, connect_args={} if patient else {"connect_timeout": _CONNECT_SECONDS}
    )


def check_journal(database: Path) -> None:
    """Looks at what SQLite would undo before it next reads a file: others may have left it there.

    A journal of a transaction on several databases names another file at its end, which SQLite deletes, wherever it is.

    Raises:
        UnsafeJournalError: If it is not what this project or MLflow leaves behind.
    """
    file = database.with_name(f"{database.name}-journal")
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            raise UnsafeJournalError(f"{file} is a link or no regular file: move it away")
        with file.open("rb") as journal:
            journal.seek(max(0, file.lstat().st_size - len(_JOURNAL)))
            end = journal.read(len(_JOURNAL))
    except FileNotFoundError:  # there is none, or another program's transaction has just ended
        return
    if end == _JOURNAL:
        raise UnsafeJournalError(f"{file} names another file, which SQLite would delete: move the journal away")


@contextmanager
def one_at_a_time(database: Engine) -> Iterator[None]:
    """Keeps other programs that ask for the same waiting. If two make MLflow's tables at once, one of them fails.

    Raises:
        ConnectionError: If the database does not answer. MLflow would try again for two minutes.
        ValueError: If it refuses.
    """
    refusal = None
    try:
        connection = database.connect()
    except DBAPIError as error:
        refusal = str(error.orig)
    if refusal is not None:
        raise (ValueError if any(words in refusal for words in _REFUSALS) else ConnectionError)(refusal)
    with connection:
        lock = _LOCKS.get(database.dialect.name)
        if lock is not None:
            connection.execute(lock)
        yield


def insert_runs(database: Engine, example: str, runs: Sequence[TrackedRun]) -> list[str] | None:
    """Inserts runs into the experiment of another run, all of them or none.

    Args:
        database: MLflow's database.
        example: The id of a run that MLflow has written.
        runs: The runs to insert.

    Returns:
        Their new ids, or None if they could not be inserted: then the database has not changed.

    Raises:
        ConnectionError: If the connection broke. Nobody knows then whether they were inserted.
    """

    def inserted(connection: Connection) -> list[str] | None:
        found = connection.execute(_EXAMPLE, {"example": example}).mappings().first()
        if found is None or found["lifecycle_stage"] != "active":
            return None
        run_ids = new_run_ids(len(runs))
        by_id = dict(zip(run_ids, runs, strict=True))
        insert_rows(connection, {"runs": [_run_row(dict(found), run_id, run) for run_id, run in by_id.items()]})
        insert_rows(connection, run_rows(by_id))
        return run_ids

    return in_one_transaction(database, inserted)


def in_one_transaction(database: Engine, task: Callable[[Connection], Result | None]) -> Result | None:
    """What a task gives. If that is None, or the database refuses something, the database has not changed.

    Raises:
        ConnectionError: If the connection broke. Nobody knows then whether the database has changed.
    """
    try:
        with database.connect() as connection:
            result = task(connection)
            if result is not None:
                connection.commit()
            return result
    except SQLAlchemyError as error:  # other tables than expected, or a full disk, which MLflow's interface will report
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise ConnectionError(f"the connection broke: {error.orig}") from error
        return None


def gather_statistics(database: Engine) -> None:
    """Lets SQLite see how many rows its tables have, as other databases do by themselves.

    Without that it ranks 10,000 runs by a metric in ten seconds, comparing each run with each, where it takes less than
    one. If it cannot be done, everything stays as it was.
    """
    if database.dialect.name != "sqlite":
        return
    with suppress(SQLAlchemyError, UnsafeJournalError), database.begin() as connection:
        connection.execute(text(f"PRAGMA analysis_limit={_ROWS_LOOKED_AT}"))
        connection.execute(text("ANALYZE"))


def insert_rows(connection: Connection, rows: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    """Inserts rows by table, in the order given."""
    for name, own in rows.items():
        if own:
            connection.execute(insert(table(name, *map(column, own[0]))), own)


def run_rows(runs: Mapping[str, TrackedRun]) -> dict[str, list[dict[str, object]]]:
    """The rows of each table below that of runs, for runs by their ids."""
    return {
        "tags": [row for run_id, run in runs.items() for row in _pairs(run_id, {**run.tags, NAME_TAG: run.name})],
        "params": [row for run_id, run in runs.items() for row in _pairs(run_id, run.params)],
        **point_rows(runs),
    }


def point_rows(runs: Mapping[str, TrackedRun]) -> dict[str, list[dict[str, object]]]:
    """The rows of each table of metrics, for runs by their ids."""
    return {
        "metrics": [row for run_id, run in runs.items() for row in _points(run_id, run.points, run.started)],
        "latest_metrics": [
            row for run_id, run in runs.items() for row in _points(run_id, _latest(run.points), run.started)
        ],
    }


def _parsed(uri: str) -> URL | None:
    try:
        return make_url(uri)
    except (ArgumentError, ValueError):
        return None


def _run_row(example: Mapping[str, object], run_id: str, run: TrackedRun) -> dict[str, object]:
    artifacts = str(example["artifact_uri"]).replace(str(example["run_uuid"]), run_id)
    state = {"status": "RUNNING" if run.finished is None else "FINISHED"}
    times = {"start_time": run.started, "end_time": run.finished}
    return {**example, "run_uuid": run_id, "name": run.name, "artifact_uri": artifacts, **state, **times}


def _pairs(run_id: str, values: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"key": key, "value": value, "run_uuid": run_id} for key, value in values.items()]


def _points(run_id: str, points: Sequence[tuple[str, int, float]], stamp: int) -> list[dict[str, object]]:
    each = {"timestamp": stamp, "is_nan": False, "run_uuid": run_id}
    return [{"key": metric, "step": epoch, "value": value, **each} for metric, epoch, value in points]


def _latest(points: Sequence[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
    latest: dict[str, tuple[str, int, float]] = {}
    for point in points:
        if point[0] not in latest or latest[point[0]][1] <= point[1]:
            latest[point[0]] = point
    return list(latest.values())
