"""Follows the progress of a study, and shows it in the terminal."""

from __future__ import annotations

import contextlib
import math
import time
from collections import defaultdict
from operator import mul
from typing import NamedTuple, Protocol, TextIO

from trainables.pack import DatasetKey, Pack

LINE_SECONDS = 15.0  # between two lines if the output is not a terminal
FAR_OFF = 1.5  # times as long as planned, or as short, which is worth a line
WORTH_SAYING = 60.0  # seconds of one worker by which the plan must be off


class Bar(Protocol):
    """A progress bar."""

    def show(self, fraction: float, text: str, force: bool = False, more: str = "") -> None:
        """Shows how much is done, from 0 to 1, a text, and `more`; `force` even if it has shown something just now."""

    def elapsed(self) -> float:
        """Seconds since it was made."""

    def say(self, text: str) -> None:
        """Says something beside the bar."""

    def close(self) -> None:
        """Ends the bar."""


class TerminalBar:
    """A progress bar on a terminal. On any other output, a line from time to time."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._terminal = not output.closed and output.isatty()
        self._started = time.monotonic()
        self._last_shown = self._started

    def show(self, fraction: float, text: str, force: bool = False, more: str = "") -> None:
        """Shows how much is done and how long the rest will take.

        Args:
            fraction: How much is done, from 0 to 1.
            text: Shown beside it.
            force: Show it even if the last one was shown a moment ago.
            more: Shown behind it.
        """
        now = time.monotonic()
        if not force and now - self._last_shown < (0.2 if self._terminal else LINE_SECONDS):
            return
        self._last_shown = now
        elapsed = self.elapsed()
        left = f"  about {duration(elapsed * (1 - fraction) / fraction)} left" if 0 < fraction < 1 else ""
        line = f"{text}  {fraction:4.0%}  {duration(elapsed)} elapsed{left}{more}"
        if self._terminal:
            filled = round(28 * fraction)
            self._write(f"\r  [{'#' * filled}{'.' * (28 - filled)}] {line}\x1b[K")
        else:
            self._write(f"  {line}\n")

    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Writes a line of its own."""
        self._write(f"\r  {text}\x1b[K\n" if self._terminal else f"  {text}\n")

    def close(self) -> None:
        """Ends the line."""
        if self._terminal:
            self._write("\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # an output that is closed must not end a training
            self._output.write(text)
            self._output.flush()


class Counts(NamedTuple):
    """What is done, and what trains.

    Attributes:
        runs: How many are trained.
        planned_runs: How many there will be in all, as far as is known.
        packs: How many are trained.
        running: How many packs are in training.
    """

    runs: int
    planned_runs: int
    packs: int
    running: int


class Progress:
    """Follows the packs in training, and shows how long the rest will take.

    A pack counts by the seconds that it is expected to take. Packs that end correct this for the others of their
    dataset. If the plan was far off, the corrected time is said once. Where a clock ends the training, it shows the
    share of that time that is over, unless less is left to train.
    """

    def __init__(self, runs: int, seconds: float, bar: Bar, limit: float = math.inf) -> None:
        """Starts with no pack.

        Args:
            runs: How many will be trained.
            seconds: That they are expected to take on one worker.
            bar: Shows it.
            limit: After how many seconds the training ends, whatever is left.
        """
        self._planned_runs = runs
        self._planned_seconds = seconds
        self._packs: list[Pack] = []
        self._expected: list[float] = []
        self._reached: list[float] = []  # the share of each pack that is trained
        self._took: dict[int, float] = {}
        self._running: set[int] = set()
        self._runs_done = 0
        self._limit = max(limit, 1e-9)
        self._said = math.isfinite(limit)  # then the plan is to use that time
        self._bar = bar

    def add(self, pack: Pack, seconds: float) -> None:
        """A pack will be trained, and is expected to take so many seconds on one worker."""
        self._packs.append(pack)
        self._expected.append(max(seconds, 1e-9))
        self._reached.append(0.0)

    def reached(self, position: int, epoch: int) -> None:
        """A pack has reached an epoch."""
        self._running.add(position)
        share = epoch / self._packs[position].structure.last_epoch
        self._reached[position] = max(self._reached[position], share)
        self._show()

    def finished(self, position: int, seconds: float) -> None:
        """A pack has ended, after so many seconds of one worker."""
        self._reached[position], self._took[position] = 1.0, seconds
        self._running.discard(position)
        self._runs_done += len(self._packs[position].members)
        self._say_if_far_off()
        self._show(force=self._runs_done == self._runs())

    def gave_up(self, position: int) -> None:
        """A pack brings no result."""
        self._running.discard(position)

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()

    def say(self, text: str) -> None:
        """Shows a line of its own."""
        self._bar.say(text)

    @property
    def counts(self) -> Counts:
        """What is done, and what trains."""
        return Counts(self._runs_done, self._runs(), len(self._took), len(self._running))

    def seconds_left(self) -> float | None:
        """How long the rest will take; None if that cannot be said yet."""
        fraction = self.fraction()
        return self._bar.elapsed() * (1 - fraction) / fraction if fraction > 0 else None

    def fraction(self) -> float:
        """How much of the work is done, from 0 to 1, as the packs that ended let expect."""
        expected, later = self._corrected()
        total = sum(expected) + later
        trained = sum(map(mul, expected, self._reached)) / total if total else 1.0
        return max(trained, min(self._bar.elapsed() / self._limit, 1.0))

    def _corrected(self) -> tuple[list[float], float]:
        """The seconds of each pack, and of packs to come: what it took, or is expected in view of those that ended."""
        took: defaultdict[DatasetKey, float] = defaultdict(float)
        expected: defaultdict[DatasetKey, float] = defaultdict(float)
        for position, seconds in self._took.items():
            took[self._key(position)] += seconds
            expected[self._key(position)] += self._expected[position]
        overall = sum(took.values()) / sum(expected.values()) if took else 1.0
        factors = {key: took[key] / expected[key] for key in took}
        each = [
            self._took.get(position, seconds * factors.get(self._key(position), overall))
            for position, seconds in enumerate(self._expected)
        ]
        return each, overall * max(self._planned_seconds - sum(self._expected), 0.0)

    def _key(self, position: int) -> DatasetKey:
        return self._packs[position].structure.dataset_key

    def _say_if_far_off(self) -> None:
        if self._said:
            return
        expected, later = self._corrected()
        corrected, planned = sum(expected) + later, max(self._planned_seconds, sum(self._expected))
        factor = corrected / planned
        if 1 / FAR_OFF < factor < FAR_OFF or abs(corrected - planned) < WORTH_SAYING:
            return
        self._said = True
        whole = self._bar.elapsed() / self.fraction()
        self._bar.say(
            f"training takes {factor:.1f} times as long as planned: about {duration(whole)} in all, to judge by "
            f"{self._runs_done} runs"
        )

    def _runs(self) -> int:
        return max(self._planned_runs, sum(len(pack.members) for pack in self._packs))

    def _show(self, force: bool = False) -> None:
        runs, planned, packs, running = self.counts
        of_all = "" if math.isfinite(self._limit) else f"/{planned}"
        speed = f"  {60 * runs / self._bar.elapsed():.0f} runs a minute" if runs and self._bar.elapsed() > 1 else ""
        more = f"{speed}  {packs} packs done, {running} running"
        self._bar.show(self.fraction(), f"{runs}{of_all} runs", force, more)


def duration(seconds: float) -> str:
    """A time in words: ``42 s``, ``3 min 05 s``, ``2 h 10 min``, ``3 days``."""
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60:02d} s"
    if rounded < 2 * 86400:
        return f"{rounded // 3600} h {rounded % 3600 // 60:02d} min"
    return f"{rounded / 86400:.1f} days"
