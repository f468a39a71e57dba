"""How a session speaks: the command to its terminal, a call from Python in its own way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Protocol

from study.progress import Bar, TerminalBar


class Voice(Protocol):
    """What a session has to say."""

    def say(self, text: str) -> None:
        """How it goes on: the plan, what was trained, the verdicts."""

    def warn(self, text: str, amid: bool = False) -> None:
        """What may be wrong; `amid` where a progress bar is shown, as another thread says it."""

    def fail(self, text: str) -> None:
        """What failed on the way."""

    def bar(self) -> Bar:
        """A new progress bar."""

    def end(self, text: str, last: Callable[[], None]) -> None:
        """Ends the session from another thread.

        Args:
            text: Why.
            last: What is still to be done when this is said.
        """


class TerminalVoice:
    """Speaks as the command does: errors and warnings on standard error."""

    def say(self, text: str) -> None:
        """Prints it."""
        print(text, flush=True)

    def warn(self, text: str, amid: bool = False) -> None:
        """Prints it in a line of its own."""
        _print_error(f"warning: {text}", amid)

    def fail(self, text: str) -> None:
        """Prints it in a line of its own."""
        _print_error(f"error: {text}")

    def bar(self) -> Bar:
        """A bar on standard error."""
        return TerminalBar(sys.stderr)

    def end(self, text: str, last: Callable[[], None]) -> None:
        """Ends the process: the main thread may wait for an answer that never comes, so no exception could reach it."""
        _print_error(f"error: {text}", amid=True)
        last()
        os._exit(2)


TERMINAL = TerminalVoice()


def _print_error(line: str, amid: bool = False) -> None:
    print(f"\n{line}" if amid else line, file=sys.stderr, flush=True)
