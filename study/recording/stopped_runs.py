"""Which runs of a search that halves stopped for good. Those that went on are told of by their longest run alone."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from analysis.parameters import WHOLE, stopping_epoch
from analysis.store.record_schema import RunDescription
from analysis.store.records import PackRecord


@dataclass
class StoppedRuns:
    """Sorts the records of a study into those that say the last word, and those of runs that may have gone on."""

    _stopped: list[PackRecord] = field(default_factory=list)
    _longest: dict[Hashable, float] = field(default_factory=dict)

    def keeps(self, record: PackRecord) -> bool:
        """Takes note of a record. Keeps it for later if its runs stopped early, and says whether it does."""
        for run in record.runs:
            setting = _setting(run)
            self._longest[setting] = max(_reached(run), self._longest.get(setting, 0))
        # Runs of one pack are trained as far as each other.
        if any(_reached(run) < math.inf for run in record.runs):
            self._stopped.append(record)
            return True
        return False

    def for_good(self) -> list[PackRecord]:
        """What was kept, without the runs that went on."""
        found = []
        for record in self._stopped:
            runs = tuple(run for run in record.runs if self._is_longest(run))
            if runs:
                points = record.points[record.points["key"].isin([run.key for run in runs])]
                found.append(replace(record, runs=runs, points=points))
        return found

    def went_on(self) -> set[str]:
        """The keys of the runs that were stopped, and whose settings were trained on."""
        return {run.key for record in self._stopped for run in record.runs if not self._is_longest(run)}

    def _is_longest(self, run: RunDescription) -> bool:
        return self._longest[_setting(run)] == _reached(run)


def _setting(run: RunDescription) -> Hashable:
    """What the run and those that went on from it have in common."""
    return frozenset(run.params.items()), run.tags.get("data_digest")


def _reached(run: RunDescription) -> float:
    """The epoch at which a run was stopped; infinity for one that was trained to its last epoch."""
    return stopping_epoch(run.tags.get("stopped", WHOLE)) or math.inf
