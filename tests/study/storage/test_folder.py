"""Folders of studies that can be written or not. What nobody asked for is not made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from moto.server import ThreadedMotoServer
from upath import UPath

from analysis.store.files import study_folder
from study.errors import StudyError
from study.run import main
from study.storage.folder import check_storage, clear_half_made, is_folder
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


def options(tmp_path: Path) -> list[str]:
    return ["--storage", "s3://absent/results", "--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]


def test_a_folder_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    folder = study_folder(tmp_path / "new" / "results", "s")
    assert not is_folder(folder)
    check_storage(folder)
    check_storage(folder)
    assert is_folder(folder)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(
        StudyError, match=r"^--storage: cannot write under .*results/s \(Not a directory\): choose"
    ) as raised:
        check_storage(study_folder(tmp_path / "results", "s"))
    assert "\n" not in str(raised.value)


def test_an_absent_bucket_is_one_line_and_is_not_made(
    server: ThreadedMotoServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, *options(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "error: --storage: cannot write under s3://absent/results/s (The specified bucket does not exist): "
        "make that bucket, or give another address\n"
    )
    assert sync(["--name", "s", *options(tmp_path)]) == 2
    assert capsys.readouterr().err == "error: no study 's' in s3://absent/results\n"
    assert s3fs.S3FileSystem().ls("") == []


def test_a_store_that_does_not_answer_is_one_line(
    server: ThreadedMotoServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.stop()
    for command in ([*SMALL, "--plan"], SMALL):
        assert main([*command, *options(tmp_path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: --storage: cannot ")
        assert "Could not connect to the endpoint" in line
    assert sync(["--name", "s", *options(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: s3://absent/results/s: Could not connect to the endpoint")


def test_the_probe_of_a_folder_writes_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("mine")
    folder = study_folder(tmp_path / "results", "s")
    folder.mkdir(parents=True)
    (folder / f".writable.{os.getpid()}").symlink_to(tmp_path / "private")
    check_storage(folder)
    assert (tmp_path / "private").read_text() == "mine"
    (tmp_path / "results" / "linked").symlink_to(tmp_path)
    with pytest.raises(StudyError, match=r"linked is a link, which is not followed in a study's folder\): choose"):
        check_storage(study_folder(tmp_path / "results", "linked"))


def test_what_killed_sessions_began_is_cleared_and_what_is_being_written_stays(tmp_path: Path) -> None:
    begun = [f"{name}.{'0f' * 16}.partial" for name in ("records/.a.parquet", "report/.report.md", "report/figures/.x")]
    old = [*begun, ".writable.12", f".writable.{'0e' * 16}"]
    fresh = f"report/.report.html.{'0e' * 16}.partial"
    kept = ["records/a.parquet", "report/report.md", fresh, ".lock", "report/.mine.partial"]
    for name in (*old, *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for name in (*old, "report/.mine.partial"):
        os.utime(tmp_path / name, (0, 0))
    clear_half_made(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_what_is_half_made_at_a_remote_address_is_cleared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.storage.folder._HALF_MADE_SECONDS", -1.0)
    folder = UPath("memory://a-study-with-partials")
    for name in (f".a.parquet.{'0f' * 16}.partial", "a.parquet"):
        (folder / "records" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "records" / name).write_bytes(b"x")
    clear_half_made(folder)
    assert [path.name for path in (folder / "records").iterdir()] == ["a.parquet"]
