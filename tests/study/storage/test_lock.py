"""One session at a time, on this machine and where there is nothing but files that one can write and read."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from upath import UPath

from study.config.model import StudyConfig
from study.recording.mlflow_sink import TrackingError
from study.run import main
from study.storage import lock
from study.storage.lock import LockedError, only_session
from tests.study.processes import Session, wait_for


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> UPath:
    """A folder in memory, with leases that expire in less than a second."""
    for name, seconds in {
        "RENEW_SECONDS": 0.1,
        "EXPIRE_SECONDS": 0.8,
        "POLL_SECONDS": 0.02,
        "SETTLE_SECONDS": 0.05,
    }.items():
        monkeypatch.setattr(lock, name, seconds)
    return UPath(f"memory://bucket/{uuid.uuid4().hex}")


def lease(folder: UPath) -> dict[str, Any] | None:
    file = folder / ".lease.json"
    return dict(json.loads(file.read_bytes())) if file.exists() else None


def leave_behind(folder: UPath, holder: str = "elsewhere, process 7") -> None:
    """The lease of a session that died."""
    left = json.dumps({"token": uuid.uuid4().hex, "holder": holder, "count": 5})
    folder.fs.pipe_file((folder / ".lease.json").path, left.encode())


@contextlib.contextmanager
def elsewhere(folder: UPath) -> Iterator[Callable[[], None]]:
    """A session in another thread; yields its check."""
    entered: list[Callable[[], None]] = []
    leave = threading.Event()

    def session() -> None:
        with contextlib.suppress(LockedError), only_session(folder) as raise_if_taken_over:
            entered.append(raise_if_taken_over)
            leave.wait()

    thread = threading.Thread(target=session)
    thread.start()
    try:
        wait_for(lambda: entered, 5)
        yield entered[0]
    finally:
        leave.set()
        thread.join()


def test_a_session_that_is_alive_keeps_others_out_and_is_named(
    folder: UPath, capsys: pytest.CaptureFixture[str]
) -> None:
    with elsewhere(folder) as raise_if_taken_over:
        held = lease(folder)
        assert held is not None
        for _ in range(2):
            with pytest.raises(LockedError) as refused, only_session(folder):
                pass
            assert str(refused.value) == held["holder"]
        raise_if_taken_over()
        found = lease(folder)
        assert found is not None
        assert found["token"] == held["token"]
    assert capsys.readouterr().err.count("waiting up to") == 2


def test_a_session_that_left_lets_the_next_one_in_at_once(folder: UPath, capsys: pytest.CaptureFixture[str]) -> None:
    with only_session(folder):
        pass
    assert lease(folder) is None
    with only_session(folder) as raise_if_taken_over:
        raise_if_taken_over()
    assert capsys.readouterr().err == ""


def test_the_lease_of_a_dead_session_is_taken_over_after_a_while(
    folder: UPath, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_behind(folder)
    started = time.monotonic()
    with only_session(folder) as raise_if_taken_over:
        assert time.monotonic() - started >= lock.EXPIRE_SECONDS
        raise_if_taken_over()
    assert lease(folder) is None
    assert "a lease of elsewhere, process 7" in capsys.readouterr().err


def test_what_is_no_lease_is_that_of_a_dead_session(folder: UPath) -> None:
    folder.fs.pipe_file((folder / ".lease.json").path, b"[" * 100_000)
    with only_session(folder):
        pass


@pytest.mark.parametrize("dead_before", [False, True])
def test_of_sessions_that_start_together_one_gets_in(folder: UPath, dead_before: bool) -> None:
    if dead_before:
        leave_behind(folder)
    together = threading.Barrier(6)
    inside: list[int] = []
    refused: list[int] = []

    def session(number: int) -> None:
        together.wait()
        try:
            with only_session(folder) as raise_if_taken_over:
                wait_for(lambda: raise_if_taken_over() or len(refused) == 5, 10)
                inside.append(number)
        except LockedError:
            refused.append(number)

    threads = [threading.Thread(target=session, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(inside), len(refused)) == (1, 5)


def test_a_session_whose_study_was_taken_over_ends_and_leaves_the_lease_to_the_other(folder: UPath) -> None:
    def session() -> None:
        with only_session(folder) as raise_if_taken_over:
            leave_behind(folder, "another host, process 8")
            wait_for(raise_if_taken_over, 5)

    with pytest.raises(LockedError, match="another host, process 8, which saw no sign of this session"):
        session()
    left = lease(folder)
    assert left is not None
    assert (left["holder"], left["count"]) == ("another host, process 8", 5)


def test_a_session_that_was_taken_over_records_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextlib.contextmanager
    def taken_over(folder: UPath) -> Iterator[Callable[[], None]]:
        def raise_if_taken_over() -> None:
            raise LockedError("another host, process 8, which took over,")

        yield raise_if_taken_over

    def end_a_pack(*arguments: Any, **more: Any) -> None:
        *_, listener, _, _ = arguments  # the deadline, and how often runs are shown
        listener.on_result(0, None, 1.0, "cpu")

    def unreachable(config: StudyConfig) -> NoReturn:
        raise TrackingError("no answer", unreachable=True)

    monkeypatch.setattr("study.session.only_session", taken_over)
    monkeypatch.setattr("study.session.connect_mlflow", unreachable)
    for name, value in {"connect": None, "disconnect": None, "choose_gpus_per_pack": 0.0}.items():
        monkeypatch.setattr(f"study.session.{name}", lambda *_, value=value, **__: value)
    monkeypatch.setattr("study.session.ended_if_head_dies", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr("study.training.count_workers", lambda *_: 1)
    monkeypatch.setattr("study.training.train_packs", end_a_pack)
    small = ["--preset", "demo", "--datasets", "digits", "--losses", "triplet", "--margins", "1", "--epochs", "1"]
    assert main([*small, "--name", "s", "--storage", str(tmp_path)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert f"process 8, which took over, is at work on {tmp_path / 's'}: wait for it" in line
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_lease_that_was_removed_by_hand_comes_back(folder: UPath) -> None:
    with only_session(folder) as raise_if_taken_over:
        (folder / ".lease.json").unlink()
        wait_for(lambda: lease(folder), 5)
        raise_if_taken_over()


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_session_that_slept_while_another_took_over_asks_before_it_writes(
    folder: UPath, has_ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its renewals sleep as well, so that they have noticed nothing."""
    monkeypatch.setattr(lock, "RENEW_SECONDS", 1000.0)
    with only_session(folder) as raise_if_taken_over:
        (folder / ".lease.json").unlink() if has_ended else leave_behind(folder)
        raise_if_taken_over()  # it has not slept for so long that another session may have taken over
        awake = lock._now() + 3000
        monkeypatch.setattr(lock, "_now", lambda: awake)
        with pytest.raises(LockedError):
            raise_if_taken_over()


@pytest.mark.parametrize("broken", ["cat_file", "pipe_file"])
def test_storage_that_is_away_for_a_moment_ends_no_session(
    folder: UPath, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with only_session(folder) as raise_if_taken_over:
        with monkeypatch.context() as patch:
            calls = raising(patch, folder, broken)
            wait_for(lambda: len(calls) >= 2, 5)
        before = lease(folder)
        wait_for(lambda: lease(folder) != before, 5)
        raise_if_taken_over()


def test_storage_that_is_away_at_the_start_is_one_error_and_leaves_others_alone(
    folder: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(folder)
    with monkeypatch.context() as patch:
        raising(patch, folder, "cat_file")
        with pytest.raises(OSError, match=r"lease\.json: Session is closed") as raised, only_session(folder):
            pass
    assert not isinstance(raised.value, LockedError)
    assert lease(folder) is not None


def raising(patch: pytest.MonkeyPatch, folder: UPath, method: str) -> list[None]:
    """Makes the store raise what is no OSError; the calls so far."""
    calls: list[None] = []

    def fail(*arguments: object, **options: object) -> None:
        calls.append(None)
        raise RuntimeError("Session\nis closed")

    patch.setattr(type(folder.fs), method, fail)
    return calls


def test_a_session_that_fails_or_is_interrupted_leaves_no_lease(folder: UPath) -> None:
    for error in (KeyboardInterrupt, ValueError):
        with pytest.raises(error), only_session(folder):
            raise error
        assert lease(folder) is None


def test_a_folder_on_disk_is_held_while_a_session_lasts(tmp_path: Path) -> None:
    with only_session(tmp_path) as raise_if_taken_over:
        raise_if_taken_over()
        with pytest.raises(LockedError, match="another process"), only_session(tmp_path):
            pass
    with only_session(tmp_path):
        pass


@pytest.mark.faults
def test_two_sessions_on_one_study_are_one_too_many(tmp_path: Path) -> None:
    options = ["--name", "s", "--seeds", "5", "--epochs", "40"]
    first = Session(*options, "--storage", str(tmp_path))
    first.until(lambda: (tmp_path / "s" / ".lock").exists())
    time.sleep(1)
    status, _, errors = Session(*options, "--storage", str(tmp_path)).ends()
    assert status == 2
    assert "is at work on" in errors
    first.kill()


def test_no_more_is_read_of_a_lease_than_one_has(folder: UPath) -> None:
    folder.fs.pipe_file((folder / ".lease.json").path, b"x" * (1 << 20))
    assert len(lock._read(folder / ".lease.json") or b"") == 1 << 16
