"""The searches of a study as a journal of Optuna's, which ``optuna-dashboard`` and Optuna itself can open.

It is a view of the records: each session writes it anew, and adds to it as searches go on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from analysis.store.files import Folder, write_whole
from study.search.sampling import quiet

FILE = "searches.log"
_PAUSE = 15.0  # seconds between two writes of the whole file


class _Lines(BaseJournalBackend):
    """A journal in memory, as the lines of Optuna's own files."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Optuna's question for the entries from a number on."""
        return [json.loads(line) for line in self.lines[log_number_from:]]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Optuna's new entries."""
        self.lines += [json.dumps(log, separators=(",", ":")) for log in logs]


class SearchLog:
    """The journal of a study's searches, in its folder."""

    def __init__(self, folder: Folder) -> None:
        """Starts without searches; nothing is written before there is one.

        Args:
            folder: The study's.
        """
        self._path = folder / FILE
        self._journal = _Lines()
        self._storage = JournalStorage(self._journal)
        self._ids: dict[str, int] = {}
        self._written = 0
        self._next_write = 0.0

    def add(self, searches: Mapping[str, Sequence[FrozenTrial]]) -> None:
        """Adds what is new of some searches, by name, and writes the file unless it was written a moment ago.

        Raises:
            OSError: If it cannot be written.
        """
        with quiet():
            for name, trials in searches.items():
                if name not in self._ids:
                    self._ids[name] = self._storage.create_new_study([StudyDirection.MAXIMIZE], name)
                known = self._storage.get_n_trials(self._ids[name])
                for trial in trials[known:]:
                    self._storage.create_new_trial(self._ids[name], trial)
        if time.monotonic() >= self._next_write:
            self.write()

    def write(self) -> None:
        """Writes the file, if something is new.

        Raises:
            OSError: If it cannot be written.
        """
        lines = self._journal.lines
        if len(lines) > self._written:
            write_whole(self._path, "".join(f"{line}\n" for line in lines).encode())
            self._written = len(lines)
            self._next_write = time.monotonic() + _PAUSE
