"""Addresses of MLflow: files, servers, and those that are neither."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.masking import hidden
from study.config.loading import load_config
from study.recording.browsing.addresses import browse_text
from study.recording.mlflow_connection import connect_mlflow, open_sink, sync_hint
from study.recording.mlflow_sink import TrackingError
from tests.study.processes import wait_for
from tests.study.recording.records import record, runs_of


@pytest.mark.parametrize(
    ("uri", "unreachable"),
    [
        ("http://127.0.0.1:9", True),
        ("postgresql+psycopg://me@127.0.0.1:9/mlflow", True),
        ("http://host:port", False),
        ("nonsense://x", False),
        ("postgresql+nonsense://x/y", False),
    ],
)
def test_an_address_without_a_server_is_unreachable_and_an_impossible_one_is_wrong(
    uri: str, unreachable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="does not answer") as caught:
        open_sink(uri, "s")
    assert caught.value.unreachable is unreachable


def test_the_browse_command_binds_to_this_machine() -> None:
    assert "--host 127.0.0.1" in browse_text("sqlite:///x.db", "s")
    assert "http://server:5000" in browse_text("http://server:5000", "s")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:secret@host/mlflow", "postgresql://me:***@host/mlflow"),  # pragma: allowlist secret
        ("http://me:se:cr/et@host:5000 is away", "http://me:***@host:5000 is away"),
        ("http://host:5000 and me@host", "http://host:5000 and me@host"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
    ],
)
def test_passwords_are_never_shown(text: str, shown: str) -> None:
    assert hidden(text) == shown
    assert "secret" not in browse_text("postgresql://me:secret@host/mlflow", "s")  # pragma: allowlist secret
    with pytest.raises(TrackingError) as failed:
        open_sink("nonsense://me:secret@host", "s")  # pragma: allowlist secret
    assert "secret" not in str(failed.value)


def test_a_database_that_was_made_only_partly_is_made_again(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    code = f"from study.recording.mlflow_connection import open_sink; open_sink('sqlite:///{database}', 's')"
    process = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: list(tmp_path.glob(".mlflow.db*")) or process.poll() is not None)
    process.kill()
    process.wait()
    assert not database.exists()
    left = list(tmp_path.glob(".mlflow.db*"))
    for file in left:
        os.utime(file, (0, 0))
    open_sink(f"sqlite:///{database}", "s").write(record(["a"]))
    assert len(runs_of(f"sqlite:///{database}")) == 1
    assert left
    assert not list(tmp_path.glob(".mlflow.db*"))


@pytest.mark.parametrize(
    ("storage", "files"),
    [("{folder}/results", "{folder}/results/demo/artifacts"), ("s3://b/c", "s3://b/c/demo/artifacts")],
)
def test_mlflows_files_are_with_the_records(storage: str, files: str, tmp_path: Path) -> None:
    options = {"storage": storage.format(folder=tmp_path), "tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    sink = connect_mlflow(load_config("demo", None, options))
    location = sink.client.get_experiment(sink.experiment).artifact_location
    assert location.removeprefix("file://") == files.format(folder=tmp_path)


def test_the_hint_to_fill_mlflow_is_a_command_hidden() -> None:
    options = {"storage": "/my results", "tracking_uri": "http://me:secret@host:5000"}  # pragma: allowlist secret
    hint = sync_hint(load_config("demo", None, options))
    assert hint == (
        "`python -m study.sync --name demo --storage '/my results' --tracking-uri 'http://me:***@host:5000'`"
    )
