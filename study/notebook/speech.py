"""How a session speaks to Python: warnings are warnings, and a notebook gets a bar."""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

from analysis.masking import hidden
from analysis.store.loading import StudyWarning
from study.config.model import SWITCHES, StudyConfig
from study.progress import Bar, TerminalBar

_NOTEBOOKS = "ZMQInteractiveShell"  # the class of IPython's shell in a kernel
_SHOW_SECONDS = 0.2  # between two views of a bar


class PythonVoice:
    """Keeps what a session says, and warns in the name of who called.

    Attributes:
        said: What the command would have printed.
        failures: What failed on the way.
    """

    def __init__(self, caller: FrameType) -> None:
        """Starts with nothing said.

        Args:
            caller: The line that warnings are shown for.
        """
        self.said: list[str] = []
        self.failures: list[str] = []
        self._place = (caller.f_code.co_filename, caller.f_lineno)
        self._registry = caller.f_globals.setdefault("__warningregistry__", {})

    def say(self, text: str) -> None:
        """Keeps it."""
        self.said.append(in_python(text))

    def warn(self, text: str, amid: bool = False) -> None:
        """Issues a `StudyWarning`."""
        warnings.warn_explicit(in_python(text), StudyWarning, *self._place, registry=self._registry)

    def fail(self, text: str) -> None:
        """Keeps it, and warns."""
        self.failures.append(in_python(text))
        self.warn(text)

    def bar(self) -> Bar:
        """A bar in a notebook, and the command's elsewhere."""
        return NotebookBar() if in_notebook() else TerminalBar(sys.stderr)

    def end(self, text: str, last: Callable[[], None]) -> None:
        """Warns. A main thread that waits for Ray cannot be interrupted, and Ray ends its process after a minute."""
        self.warn(f"{text}; if the call does not return, Ray ends this process within a minute")
        last()


class NotebookBar:
    """A progress bar of tqdm's, which is a widget where the notebook has widgets."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm warns where there are no widgets, and draws a bar of text
            from tqdm.auto import tqdm
        form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
        self._bar: Any = tqdm(total=1.0, bar_format=form)
        self._started = self._last_shown = time.monotonic()

    def show(self, fraction: float, text: str, force: bool = False, more: str = "") -> None:
        """Shows how much is done, from 0 to 1, a text beside it, and `more` behind it."""
        now = time.monotonic()
        if not force and now - self._last_shown < _SHOW_SECONDS:
            return
        self._last_shown = now
        self._bar.n = min(fraction, 1.0)
        self._bar.set_description_str(text, refresh=False)
        self._bar.set_postfix_str(more.strip(), refresh=False)
        self._bar.refresh()

    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Writes a line of its own."""
        self._bar.write(text)

    def close(self) -> None:
        """Ends the bar; it stays as it is."""
        self._bar.close()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and type(ipython.get_ipython()).__name__ == _NOTEBOOKS


def in_python(text: str) -> str:
    """A text of the command's as Python shows it: without secrets, and with fields where it names options."""
    named = re.sub(r"--(?:no-)?([a-z]+(?:-[a-z]+)*)", _field, hidden(text))
    return named.replace("the same command again", "the same call again")


def _field(option: re.Match[str]) -> str:
    name = option[1].replace("-", "_")
    if name not in StudyConfig.model_fields:
        return option[0]
    return f"{name}={'False' if option[0].startswith('--no-') else 'True'}" if name in SWITCHES else name
