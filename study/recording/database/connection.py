"""Connects to the database of an MLflow address."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

_JOURNAL = bytes.fromhex("d9d505f920a163d7")  # begins SQLite's journals, and ends those that name another file
_LOCK_SECONDS = 3.0  # for which another program may lock an SQLite file; Ctrl-C waits as long
_CONNECT_SECONDS = 10  # for which a database may take to answer
_REFUSALS = ("does not exist", "password", "pg_hba.conf")  # in what PostgreSQL says if no later time will change it
_ROWS_LOOKED_AT = 400  # of an index: as many as SQLite's documentation advises, so that it takes some hundredths
_LOCKS = {  # by kind of database; each lasts as long as its transaction or connection
    "postgresql": select(func.pg_advisory_xact_lock(0x6D6C666C6F77)),
    "mysql": select(func.get_lock("mlflow", 600)),
}
Result = TypeVar("Result")


class UnsafeJournalError(ValueError):
    """What lies beside an SQLite file would have another file deleted. The message is one line."""


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


def _parsed(uri: str) -> URL | None:
    try:
        return make_url(uri)
    except (ArgumentError, ValueError):
        return None
