"""Studies at addresses that are not there: one line says so, and nothing is made that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from moto.server import ThreadedMotoServer
from upath import UPath

from study.run import main
from study.storage import StorageError, storage_errors
from study.sync import main as sync

SMALL = ["--preset", "demo", "--datasets", "synthetic", "--name", "s"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """An object store that is empty, asked once and not again and again."""
    store = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # pragma: allowlist secret
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield store
    s3fs.S3FileSystem.clear_instance_cache()
    store.stop()


def place(tmp_path: Path) -> list[str]:
    return ["--storage", "s3://absent/results", "--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]


def test_an_absent_bucket_is_one_line_and_is_not_made(
    server: ThreadedMotoServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, *place(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "error: --storage: cannot write under s3://absent/results/s (The specified bucket does not exist): "
        "make that bucket, or give another address\n"
    )
    assert sync(["--name", "s", *place(tmp_path)]) == 2
    assert capsys.readouterr().err == "error: no study 's' in s3://absent/results\n"
    assert s3fs.S3FileSystem().ls("") == []


def test_a_store_that_does_not_answer_is_one_line(
    server: ThreadedMotoServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.stop()
    for command in ([*SMALL, "--plan"], SMALL):
        assert main([*command, *place(tmp_path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: --storage: cannot ")
        assert "Could not connect to the endpoint" in line
    assert sync(["--name", "s", *place(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: s3://absent/results/s: Could not connect to the endpoint")


def test_an_error_on_a_disk_of_this_machine_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), storage_errors(tmp_path):
        _ = 1 / 0
    with pytest.raises(PermissionError), storage_errors(tmp_path):
        raise PermissionError(13, "Permission denied")


def test_an_error_of_a_remote_address_is_one_line_that_names_it() -> None:
    place = UPath("memory://study")
    with pytest.raises(StorageError, match=r"^memory://study: not now$") as raised, storage_errors(place):
        raise RuntimeError("not\n now")
    assert raised.value.strerror == "not now"
    with pytest.raises(StorageError, match=r"^memory://study: 'x'$"), storage_errors(place, but=(ValueError,)):
        raise KeyError("x")
    with pytest.raises(ValueError, match="no claim"), storage_errors(place, but=(ValueError,)):
        raise ValueError("no claim")
