from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.recording.mlflow_connection import open_sink
from tests.study.recording.databases import Databases
from tests.study.recording.postgres import Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Its database `mlflow` has MLflow's tables, which two programs made at the same time."""
    with running_postgres() as server:
        uri = server.create("mlflow")
        code = "import sys; from study.recording.mlflow_connection import open_sink; open_sink(*sys.argv[1:])"
        both = [subprocess.Popen([sys.executable, "-c", code, uri, name]) for name in ("one", "another")]
        assert [process.wait() for process in both] == [0, 0]
        yield server


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("empty") / "mlflow.db"
    open_sink(f"sqlite:///{database}", "one")
    return database


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Databases:
    return Databases(request.param, tmp_path, request)
