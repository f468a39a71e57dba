"""What a session tells while it trains: progress, who leads so far, what goes wrong, and how far it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence

from study.planning.grid import Run
from study.planning.leaders import PROVISIONAL, Leaders
from study.progress import Progress
from study.storage.standing import Standing, StandingFile

_LEADERS_SECONDS = 60.0  # between two times that the leaders are shown
_MOST_TROUBLES = 10  # that are said at once; what fails for good is said at the end as well


class Telling:
    """Shows in the terminal how the training goes, and writes it down for who asks from elsewhere."""

    def __init__(self, progress: Progress, leaders: Leaders, file: StandingFile | None = None) -> None:
        """Begins now.

        Args:
            progress: What is shown.
            leaders: Who leads, among the runs that are recorded.
            file: Where it is written how far the training is; nowhere if None.
        """
        self.progress = progress
        self._leaders = leaders
        self._file = file
        self._troubles: list[str] = []
        self._started = time.time()
        self._next_leaders = time.monotonic() + _LEADERS_SECONDS

    def reached(self, position: int, epoch: int) -> None:
        """A pack has reached an epoch."""
        self.progress.reached(position, epoch)
        self._write()

    def finished(self, position: int, seconds: float, runs: Sequence[Run], scores: Mapping[str, float]) -> None:
        """A pack has ended, after so many seconds of one worker, with these validation scores by key."""
        self.progress.finished(position, seconds)
        self._leaders.add(runs, scores)
        if time.monotonic() >= self._next_leaders:
            self._next_leaders = time.monotonic() + _LEADERS_SECONDS
            self.progress.say("\n    ".join([PROVISIONAL, *self._leaders.lines()]))
        self._write()

    def trouble(self, what: str) -> None:
        """Something went wrong."""
        self._troubles.append(what)
        if len(self._troubles) <= _MOST_TROUBLES:
            self.progress.say(what)
        self._write()

    def ended(self) -> None:
        """The training has ended."""
        self._write(ended=True)

    def _write(self, ended: bool = False) -> None:
        if self._file is None:
            return

        def standing() -> Standing:
            return Standing(
                **self.progress.counts._asdict(),
                started=self._started,
                updated=time.time(),
                seconds_left=self.progress.seconds_left(),
                ended=ended,
                troubles=tuple(self._troubles),
            )

        with contextlib.suppress(OSError):  # a storage that fails refuses the next record too
            self._file.write(standing, at_once=ended)
