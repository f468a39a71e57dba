"""Threads that do the same with many things."""

from __future__ import annotations

import signal
import threading

import pytest

from study.recording.side_by_side import side_by_side


def test_as_many_are_done_at_once_as_there_are_threads() -> None:
    together = threading.Barrier(3, timeout=30)
    done: list[int] = []

    def task(item: int) -> None:
        together.wait()
        done.append(item)

    side_by_side(task, range(9), 3)
    assert sorted(done) == [*range(9)]


def test_one_thread_is_the_callers_own_and_keeps_the_order() -> None:
    done: list[tuple[int, threading.Thread]] = []
    side_by_side(lambda item: done.append((item, threading.current_thread())), range(5), 1)
    assert done == [(item, threading.main_thread()) for item in range(5)]


def test_after_a_failure_what_has_begun_comes_to_its_end_and_nothing_else_begins() -> None:
    together, failed = threading.Barrier(2, timeout=30), threading.Event()
    begun: list[int] = []
    ended: list[int] = []

    def task(item: int) -> None:
        begun.append(item)
        together.wait()
        if item == 0:
            failed.set()
            raise OSError("away")
        failed.wait()
        ended.append(item)

    with pytest.raises(OSError, match="away"):
        side_by_side(task, range(10), 2)
    assert sorted(begun) == [0, 1]
    assert ended == [1]


def test_ctrl_c_waits_for_no_thread() -> None:
    begun, never = threading.Barrier(3, timeout=30), threading.Event()
    calls: list[int] = []

    def task(item: int) -> None:
        calls.append(item)
        begun.wait()
        never.wait()

    def interrupt() -> None:
        begun.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        side_by_side(task, range(10), 2)
    never.set()
    assert len(calls) == 2
