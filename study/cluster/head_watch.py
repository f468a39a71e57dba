"""Notices that Ray's head has died. Ray itself waits for a minute, and then ends the process in words of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from study.cluster.connection import knock
from study.output.voice import TERMINAL, Voice

REFUSED_SECONDS = 6.0  # for which its machine says that nothing listens there: the head has died
SILENT_SECONDS = 10.0  # without any answer, after which it is said
LOST_SECONDS = 50.0  # without any answer, after which the session ends; Ray would end it after 60
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Silence:
    """That the head does not answer.

    Attributes:
        seconds: For how long.
        refused: Whether its machine answers that nothing listens there.
    """

    seconds: float
    refused: bool

    @property
    def is_death(self) -> bool:
        """Whether it will not come back."""
        return self.seconds >= (REFUSED_SECONDS if self.refused else LOST_SECONDS)


@contextmanager
def ended_if_head_dies(local: bool, voice: Voice = TERMINAL) -> Iterator[None]:
    """Ends the session with one line if the connected cluster's head dies while the block runs.

    Args:
        local: Whether the cluster is this machine alone, and its other processes end as well.
        voice: Says so, and ends it.
    """
    address = ray.get_runtime_context().gcs_address

    def on_silence(silence: Silence) -> None:
        if not silence.is_death:
            text = f"Ray's head at {address} does not answer for {silence.seconds:.0f} s; training waits for it"
            voice.warn(text, amid=True)
            return
        where, remedy = ("here", "run") if local else (f"at {address}", "start Ray there again, and run")
        text = f"Ray's head {where} has died; what is recorded stays: {remedy} the same command again"
        voice.end(text, _end_local_processes if local else lambda: None)

    with watched(address, on_silence):
        yield


@contextmanager
def watched(address: str, on_silence: Callable[[Silence], None]) -> Iterator[None]:
    """Asks an address every second while the block runs, in a thread of its own.

    Args:
        address: ``host:port``.
        on_silence: Is told when `SILENT_SECONDS` have passed without an answer, and of a death. Then it is asked no
            more.
    """
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(address, on_silence, over), name="head watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()


def _watch(address: str, on_silence: Callable[[Silence], None], over: threading.Event) -> None:
    answered = time.monotonic()
    said = False
    while not over.wait(_POLL_SECONDS):
        try:
            knock(address, timeout=2 * _POLL_SECONDS)
            answered, said = time.monotonic(), False
            continue
        except OSError as error:
            silence = Silence(time.monotonic() - answered, isinstance(error, ConnectionRefusedError))
        if over.is_set():
            return
        if silence.is_death:
            on_silence(silence)
            return
        if silence.seconds >= SILENT_SECONDS and not said:
            said = True
            on_silence(silence)


def _end_local_processes() -> None:
    """Ends the processes that `ray.init` started, which end theirs. Else they would wait for the head for a minute."""
    node = getattr(ray._private.worker, "_global_node", None)
    if node is not None:
        node.kill_all_processes(check_alive=False, allow_graceful=True)
