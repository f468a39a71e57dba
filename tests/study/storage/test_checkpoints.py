"""Folders of snapshots: complete, absent, or with other files in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from study.storage.checkpoints import CheckpointFolder, fingerprint
from trainables.training.snapshots import to_bytes


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0)


def test_what_is_kept_is_found_by_the_same_code_until_it_is_removed(folder: CheckpointFolder) -> None:
    content = to_bytes({"epoch": 1}, fingerprint(["k1", "k2"], "1.0", "data"))
    folder.write("pack", b"first")
    folder.write("pack", content)
    assert folder.read("pack") == content
    assert folder.interrupted_packs("1.0") == [["k1", "k2"]]
    assert folder.interrupted_packs("1.1") == []
    folder.remove("pack")
    assert folder.read("pack") is None
    assert list(folder.path.iterdir()) == []


def test_what_nobody_goes_on_from_is_cleared(folder: CheckpointFolder) -> None:
    kept = {"current": fingerprint(["k1", "k2"], "1.0+a", "data")}
    gone = {"older": fingerprint(["k3"], "0.9+b", "data"), "recorded": fingerprint(["k4", "k5"], "1.0+a", "data")}
    for name, of in {**kept, **gone}.items():
        folder.write(name, to_bytes({"epoch": 1}, of))
    (folder.path / f".current.{'0' * 32}.partial").write_bytes(b"half")
    folder.write("odd", b"what nobody can tell the code of")
    folder.clear("1.0+a", done={"k5", "k6"})
    assert {path.name for path in folder.path.iterdir()} == {"current", "odd"}
    assert folder.interrupted_packs("1.0+a") == [["k1", "k2"]]


def test_a_folder_that_is_cleared_while_a_worker_writes_keeps_whole_snapshots_alone(folder: CheckpointFolder) -> None:
    content = to_bytes({"epoch": 1}, fingerprint(["k1"], "1.0", "data"))

    def write() -> None:
        for _ in range(200):
            folder.write("pack", content)

    worker = threading.Thread(target=write)
    worker.start()
    while worker.is_alive():
        folder.clear("1.0", done=())
    assert folder.read("pack") in (content, None)
    folder.write("pack", content)
    assert folder.interrupted_packs("1.0") == [["k1"]]
    assert [path.name for path in folder.path.iterdir()] == ["pack"]


@pytest.mark.parametrize("address", [None, "memory://checkpoints/of/a/study"])
def test_storage_that_raises_what_it_likes_has_nothing_begun_and_loses_nothing(
    address: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CheckpointFolder(UPath(address or tmp_path) / "checkpoints", 30.0)
    content = to_bytes({"epoch": 1}, fingerprint(["k1"], "0.9", "data"))
    folder.write("pack", content)
    assert folder.interrupted_packs("0.9") == [["k1"]]
    for broken in ("read_start", "list_files"):
        with monkeypatch.context() as patch:
            patch.setattr(f"analysis.store.files.{broken}", _raise)
            assert folder.interrupted_packs("0.9") == []
            folder.clear("1.0", done=())
        assert folder.read("pack") == content
    folder.clear("1.0", done=())
    assert folder.read("pack") is None


def _raise(*arguments: object, **options: object) -> None:
    raise RuntimeError("Session is closed")


def test_a_folder_of_snapshots_that_is_a_link_loses_no_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in (".bashrc", ".netrc", "snapshot"):
        (home / name).write_bytes(to_bytes({"epoch": 1}, fingerprint(["k1"], "0.9", "data")))
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "checkpoints").symlink_to(home)
    folder = CheckpointFolder(UPath(tmp_path / "s" / "checkpoints"), 30.0)
    folder.clear("1.0", done=())
    folder.write("snapshot", b"theirs")
    folder.remove("snapshot")
    assert folder.interrupted_packs("0.9") == []
    assert folder.read("snapshot") is None
    assert sorted(path.name for path in home.iterdir()) == [".bashrc", ".netrc", "snapshot"]
    assert b"theirs" not in (home / "snapshot").read_bytes()


def test_files_of_others_among_the_snapshots_stay(folder: CheckpointFolder) -> None:
    folder.write("pack", to_bytes({"epoch": 1}, fingerprint(["k1"], "0.9", "data")))
    for name in (".bashrc", ".netrc"):
        (folder.path / name).write_text("mine")
    folder.clear("1.0", done=())
    assert sorted(path.name for path in folder.path.iterdir()) == [".bashrc", ".netrc"]


def test_a_snapshot_that_is_too_long_or_no_file_is_not_read(folder: CheckpointFolder) -> None:
    folder.write("pack", b"content")
    assert folder.read("pack", 7) == b"content"
    assert folder.read("pack", 6) is None
    (folder.path / "zero").symlink_to("/dev/zero")
    os.mkfifo(str(folder.path / "fifo"))
    assert folder.read("zero", 100) is None
    assert folder.read("fifo", 100) is None
    assert folder.interrupted_packs("1.0") == []


def test_a_worker_that_does_not_see_the_study_keeps_nothing(tmp_path: Path) -> None:
    elsewhere = CheckpointFolder(UPath(tmp_path) / "not shared" / "checkpoints", 30.0)
    elsewhere.write("pack", b"content")
    assert list(tmp_path.iterdir()) == []
    assert elsewhere.interrupted_packs("1.0") == []


def test_a_snapshot_that_cannot_be_written_does_not_end_a_training(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("in the way")
    CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0).write("pack", b"content")


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80) | st.from_type(dict | list | str).map(lambda value: json.dumps(str(value)).encode()))  # type: ignore[arg-type]
def test_whatever_lies_in_the_folder_is_no_pack_that_was_begun(folder: CheckpointFolder, content: bytes) -> None:
    folder.path.mkdir(exist_ok=True)
    (folder.path / "odd").write_bytes(content)
    assert folder.interrupted_packs("1.0") == []


@pytest.mark.parametrize(
    "line", ['{"fingerprint": "x"}', '{"fingerprint": 5}', '""', "[" * 100_000, '{"fingerprint": ""}']
)
def test_a_first_line_that_is_odd_is_no_pack_that_was_begun(folder: CheckpointFolder, line: str) -> None:
    folder.path.mkdir()
    (folder.path / "odd").write_text(line + "\n")
    assert folder.interrupted_packs("1.0") == []


def test_a_worker_that_starts_does_not_wait_for_the_analysis() -> None:
    code = "import sys, study.storage.checkpoints; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"analysis", "pandas"} & set(done.stdout.split())
