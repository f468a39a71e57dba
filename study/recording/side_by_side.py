"""Does the same with many things in several threads, so that waiting for one answer does not hold up the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
_MOMENT = 0.2  # seconds


def side_by_side(task: Callable[[Item], None], items: Iterable[Item], threads: int) -> None:
    """Calls a task with each item, in this thread if one is enough.

    When a call fails, those that have begun come to their end, so that the items can be tried again, and no other
    begins. The threads do not keep a process alive that Ctrl-C ends.

    Raises:
        Exception: What the first call that failed has raised.
    """
    waiting = deque(items)
    failures: list[Exception] = []

    def work() -> None:
        while not failures:
            try:
                item = waiting.popleft()
            except IndexError:
                return
            try:
                task(item)
            except Exception as error:
                failures.append(error)

    workers = [Thread(target=work, name="mlflow-writer", daemon=True) for _ in range(min(threads, len(waiting)))]
    if len(workers) <= 1:
        work()
    else:
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                # A signal that comes just before a thread begins to wait does not wake it up.
                while worker.is_alive():
                    worker.join(_MOMENT)
        finally:
            waiting.clear()
    if failures:
        raise failures[0]
