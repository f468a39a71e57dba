"""A head that answers, dies, or keeps silent, by a socket that stands for it."""

from __future__ import annotations

import queue
import socket
import time

import pytest

from study.cluster import head_watch
from study.cluster.head_watch import Silence, watched


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("REFUSED", 0.2), ("SILENT", 0.3), ("LOST", 0.9)):
        monkeypatch.setattr(head_watch, f"{name}_SECONDS", seconds)
    monkeypatch.setattr(head_watch, "_POLL_SECONDS", 0.05)


def test_a_head_that_answers_is_left_alone_and_its_death_is_noticed() -> None:
    told: queue.Queue[Silence] = queue.Queue()
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with watched(address, told.put):
            time.sleep(0.6)
            assert told.empty()
            head.close()
            silence = told.get(timeout=30)
    assert (silence.is_death, silence.refused) == (True, True)


def test_a_head_that_keeps_silent_is_said_once_before_it_counts_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*arguments: object, **options: object) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", silent)
    told: queue.Queue[Silence] = queue.Queue()
    with watched("10.0.0.1:6379", told.put):
        first, second = told.get(timeout=30), told.get(timeout=30)
        with pytest.raises(queue.Empty):
            told.get(timeout=0.3)
    assert [first.is_death, second.is_death] == [False, True]


def test_nothing_is_said_once_the_session_has_left_the_cluster() -> None:
    told: queue.Queue[Silence] = queue.Queue()
    with socket.create_server(("127.0.0.1", 0)) as head:
        port = head.getsockname()[1]
        with watched(f"127.0.0.1:{port}", told.put):
            pass
    with pytest.raises(queue.Empty):
        told.get(timeout=0.5)
