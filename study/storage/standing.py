"""How far a study's training is: a small file in its folder, which the session that trains keeps up to date."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from analysis.store.files import Folder, as_local, read_file, write_whole

FILE = "progress.json"
_MOST_BYTES = 1 << 16
_PAUSE, _REMOTE_PAUSE = 5.0, 30.0  # seconds between two writes
_MOST_TROUBLES, _LONGEST = 20, 500

_Count = Annotated[int, Field(ge=0, le=10**9)]
_Seconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class Standing(BaseModel):
    """How far a session has come.

    Attributes:
        started: When its training began, in seconds since 1970.
        updated: When this was written.
        runs: How many it has trained.
        planned_runs: How many it will train in all.
        packs: How many it has trained.
        running: How many packs are in training.
        seconds_left: How long the rest will take; None if that cannot be said yet.
        ended: Whether the training has ended.
        troubles: The last things that went wrong, cut where they are long.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    started: _Seconds
    updated: _Seconds
    runs: _Count
    planned_runs: _Count
    packs: _Count
    running: _Count
    seconds_left: _Seconds | None = None
    ended: bool = False
    troubles: tuple[str, ...] = ()

    @field_validator("troubles")
    @classmethod
    def _few_and_short(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(trouble[:_LONGEST] for trouble in value[-_MOST_TROUBLES:])

    @property
    def runs_a_minute(self) -> float | None:
        """How many runs it has trained a minute; None before the first."""
        seconds = self.updated - self.started
        return 60.0 * self.runs / seconds if self.runs and seconds > 0 else None


class StandingFile:
    """Writes a session's standing from time to time."""

    def __init__(self, folder: Folder) -> None:
        """Writes nothing yet.

        Args:
            folder: The study's.
        """
        self._path = folder / FILE
        self._pause = _PAUSE if as_local(folder) is not None else _REMOTE_PAUSE
        self._next = 0.0

    def write(self, standing: Callable[[], Standing], at_once: bool = False) -> None:
        """Writes the standing, unless the last one was written a moment ago.

        Raises:
            OSError: If it cannot be written.
        """
        if at_once or time.monotonic() >= self._next:
            write_whole(self._path, standing().model_dump_json().encode())
            self._next = time.monotonic() + self._pause


def read_standing(folder: Folder) -> Standing | None:
    """The standing of the last session of a study; None if there is none that can be read."""
    try:
        return Standing.model_validate_json(read_file(folder / FILE, _MOST_BYTES))
    except (OSError, ValidationError):
        return None
