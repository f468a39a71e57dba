"""Studies as users run them: in processes of their own, which tests may stop, kill and count."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import pandas as pd
import pytest
from filelock import FileLock
from mlflow.tracking import MlflowClient

from analysis import load_study

SMALL = ["--preset", "demo", "--datasets", "digits", "--miners", "all", "hard", "--margins", "0.5"]


class Session:
    """One session of a study, and every process that it starts, known by a mark in their environment."""

    def __init__(self, *options: str, folder: Path | None = None) -> None:
        self._mark = f"STUDY_TEST={uuid.uuid4().hex}"
        name, _, value = self._mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "study.run", *SMALL, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=folder,
            env={**os.environ, name: value},
        )

    def ends(self, timeout: float = 300) -> tuple[int, str, str]:
        """Exit status, output and errors."""
        output, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, output, errors

    def left_behind(self, command: str = "") -> list[int]:
        """Processes that this session started, whose command holds some text, and that are still there."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                marked = entry.name.isdigit() and self._mark.encode() in (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0] if marked else "Z"
                if marked and state != "Z" and command in (entry / "cmdline").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def until(self, what: Callable[[], object]) -> None:
        """Waits until something is true, while this session runs."""

        def over() -> bool:
            if not what():
                assert self.process.poll() is None, self.process.communicate()
                return False
            return True

        wait_for(over)

    def kill(self) -> None:
        """Ends the driver as a power cut would."""
        self.process.kill()
        self.process.communicate()


class Server:
    """An MLflow server on this machine."""

    def __init__(self, database: str, port: int, artifacts: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", database, "--workers", "1", "--artifacts-destination", str(artifacts)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.address}/health", timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """Ends it and its workers as a power cut would."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def run_to_end(*options: str) -> str:
    """The output of a session that ends well."""
    status, output, errors = Session(*options).ends()
    assert status == 0, errors
    return output


def trained_once(factory: pytest.TempPathFactory, worker_id: str, name: str, *options: str) -> Path:
    """The storage of a study that nothing disturbs, trained once for all of pytest's processes."""
    base = factory.getbasetemp()
    storage = (base if worker_id == "master" else base.parent) / name
    with FileLock(f"{storage}.lock"):
        if not storage.exists():
            run_to_end(*options, "--storage", str(storage))
    return storage


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    """Waits until something is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def table(name: str, storage: Path) -> pd.DataFrame:
    """A study's runs but for the packs that they happened to be in."""
    return load_study(name, storage).drop(columns="pack")


def assert_in_mlflow_once(name: str, uri: str, runs: int) -> None:
    """Every run is there once, and none is unfinished."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=50_000)
    assert {run.info.status for run in found} == {"FINISHED"}
    keys = [run.data.tags["key"] for run in found if run.data.tags["level"] == "run"]
    assert len(keys) == len(set(keys)) == runs


def running(database: Path) -> int:
    """How many runs in MLflow's SQLite file seem to train; none as long as it has no tables."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            counted = "SELECT count(*) FROM runs WHERE status = 'RUNNING' AND lifecycle_stage = 'active'"
            return int(connection.execute(counted).fetchone()[0])
    except sqlite3.OperationalError:  # it is not there yet, or locked
        return 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def in_training(session: Session, storage: Path, since: float) -> bool:
    """Whether a session has kept a snapshot since a moment, or has ended."""
    files = (storage / "s" / "checkpoints").glob("[!.]*")
    try:
        return session.process.poll() is not None or any(file.stat().st_mtime > since for file in files)
    except FileNotFoundError:  # its pack has just ended
        return True
