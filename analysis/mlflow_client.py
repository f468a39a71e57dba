"""The door to MLflow: quiet, and quick to say that nobody answers."""

from __future__ import annotations

import logging
import os
from typing import Any


def open_client(uri: str) -> Any:
    """An MlflowClient for an address; a user's own settings of time-outs are left alone."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):  # set up by the import above
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(uri)
