"""Databases with MLflow's tables, of the kinds that runs are inserted into."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import pytest


class Databases:
    """Makes databases that hold MLflow's tables and no run."""

    def __init__(self, kind: str, folder: Path, request: pytest.FixtureRequest) -> None:
        self._kind, self._folder, self._request = kind, folder, request

    def new(self) -> str:
        name = uuid4().hex
        if self._kind == "postgresql":
            return str(self._request.getfixturevalue("postgres").create(name, "mlflow"))
        return f"sqlite:///{shutil.copy(self._request.getfixturevalue('empty'), self._folder / name)}"
