"""The door to MLflow: quiet, quick to say that nobody answers, and reading to the last page."""

from __future__ import annotations

import logging
import os
import re
from typing import Any


def open_client(uri: str) -> Any:
    """An MlflowClient for an address; a user's own settings of time-outs are left alone."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):  # set up by the import above
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(uri)


def search_all_runs(client: Any, experiment: str, condition: str = "") -> list[Any]:
    """All runs of an experiment, by its id, that meet a condition in MLflow's search language."""
    runs: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def reason(error: BaseException) -> str:
    """An error of a store in one line of bounded length, without passwords."""
    return without_passwords(" ".join(str(error).split()))[:300] or type(error).__name__


def without_passwords(text: str) -> str:
    """A text with the passwords of the addresses in it covered, fit to be shown."""
    return re.sub(r"(://[^\s/@:]*):[^\s@]*@", r"\1:***@", text)
