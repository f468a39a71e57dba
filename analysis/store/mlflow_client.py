"""Access to MLflow: without its messages, with short time-outs, and reading all pages."""

from __future__ import annotations

import logging
import os
import shlex
from typing import Any

from analysis.masking import hidden
from analysis.plain_text import message_text

MOST_PAGES = 1000
_PAGE = 1000  # runs; the most that MLflow gives
_PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}  # by module
_LONGEST_REASON = 300  # characters


def is_server(uri: str) -> bool:
    """Whether an address is that of a server of MLflow's, and not of its database."""
    return uri.startswith(("http://", "https://"))


def open_client(uri: str) -> Any:
    """An MlflowClient for an address. Time-outs that the user has set stay as they are."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    # Of each run that ends MLflow would print two addresses, for which it would ask its server first.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow.tracking import MlflowClient

    # Set up by the import above. That of databases writes tracebacks of errors that it raises as well.
    levels = {"mlflow": logging.ERROR, "mlflow.store.db.utils": logging.CRITICAL, "alembic": logging.ERROR}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    return MlflowClient(uri)


def search_all_runs(client: Any, experiment: str, condition: str = "") -> list[Any]:
    """All runs of an experiment, by its id, that meet a condition in MLflow's search language.

    Raises:
        ValueError: If a server asks for a page again, or for more than `MOST_PAGES`, which would never end.
    """
    runs: list[Any] = []
    tokens: set[str] = set()
    token = None
    for _ in range(MOST_PAGES):
        page = client.search_runs([experiment], condition, max_results=_PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs
        if token in tokens:
            raise ValueError("it names a page of runs that it has given already, and would be asked for ever")
        tokens.add(token)
    raise ValueError(f"it has more than {MOST_PAGES} pages of {_PAGE} runs of one study")


def reason(error: BaseException) -> str:
    """An error of a store in one line of bounded length, without passwords, with the remedy if a package is missing."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error.name} is not installed: pip install {shlex.quote(_PACKAGES.get(error.name, error.name))}"
    return message_text(hidden(str(error)), _LONGEST_REASON) or type(error).__name__


def is_connection_error(error: BaseException | None) -> bool:
    """Whether a failed connection caused an error, directly or not."""
    while error is not None:
        if isinstance(error, OSError) or type(error).__name__ == "OperationalError":
            return not isinstance(error, ValueError)  # requests raises both at once for an impossible address
        error = error.__cause__ or error.__context__
    return False
