"""What the terminal shows while packs train."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from trainables.spec import Pack

LINE_SECONDS = 15.0  # between lines where the output is no terminal


class Bar:
    """One line that fills up on a terminal; elsewhere a line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = not stream.closed and stream.isatty()
        self._started = time.monotonic()
        self._last_shown = self._started

    def show(self, share: float, text: str, force: bool = False) -> None:
        """Draws a share of 1 with `text` and the time left, unless it was drawn a moment ago."""
        now = time.monotonic()
        if not force and now - self._last_shown < (0.2 if self._terminal else LINE_SECONDS):
            return
        self._last_shown = now
        elapsed = now - self._started
        left = f"  about {duration(elapsed * (1 - share) / share)} left" if 0 < share < 1 else ""
        line = f"{text}  {share:4.0%}  {duration(elapsed)} elapsed{left}"
        if self._terminal:
            filled = round(28 * share)
            self._write(f"\r  [{'#' * filled}{'.' * (28 - filled)}] {line}\x1b[K")
        else:
            self._write(f"  {line}\n")

    def close(self) -> None:
        """Ends the line."""
        if self._terminal:
            self._write("\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # whoever watched has left, which must not end a training
            self._stream.write(text)
            self._stream.flush()


class Progress:
    """Counts finished work in member-epochs and shows it with the time left."""

    def __init__(self, packs: Sequence[Pack], stream: TextIO = sys.stderr) -> None:
        self._members = [len(pack.members) for pack in packs]
        self._total = sum(len(pack.members) * pack.structure.epochs for pack in packs)
        self._reached = [0] * len(packs)
        self._runs_done = 0
        self._bar = Bar(stream)

    def reached(self, position: int, epoch: int) -> None:
        """A pack has reached an epoch."""
        self._reached[position] = max(self._reached[position], epoch)
        self._show()

    def finished(self, position: int) -> None:
        """A pack has ended."""
        self._runs_done += self._members[position]
        self._show(force=self._runs_done == sum(self._members))

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()

    def _show(self, force: bool = False) -> None:
        done = sum(members * epoch for members, epoch in zip(self._members, self._reached, strict=True))
        share = done / self._total if self._total else 1.0
        self._bar.show(share, f"{self._runs_done}/{sum(self._members)} runs", force)


def duration(seconds: float) -> str:
    """A time as people say it: ``42 s``, ``3 min 05 s``, ``2 h 10 min``, ``3 days``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole / 86400:.1f} days"
