"""The searcher that Ray Tune asks for its next trial. What it suggests are packs."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

from study.cluster.trials import TrialCallback
from trainables.tune_adapter import TrainingJob


class PackSearcher(Searcher):  # type: ignore[misc]
    """Suggests packs in their order, as long as more come.

    What comes next may depend on results: whoever listens to these appends to the packs.
    """

    def __init__(self, jobs: Sequence[TrainingJob], callback: TrialCallback) -> None:
        """Starts with the first pack.

        Args:
            jobs: The packs. They may grow for as long as one of them trains.
            callback: Knows which packs have results.
        """
        super().__init__()
        self._jobs = jobs
        self._callback = callback
        self._next = 0
        self._again: deque[int] = deque()
        self._in_training: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Tune's question: the configuration of a trial; None if it must wait; `FINISHED` at the end."""
        if self._again:
            position = self._again.popleft()
        elif self._next < len(self._jobs):
            position = self._next
            self._next += 1
        else:
            return None if self._in_training else Searcher.FINISHED
        self._in_training[trial_id] = position
        return {"pack": position, "job": self._jobs[position], "pieces": 1, "from_scratch": False}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tune's hook: a trial has ended.

        One that brought no result is suggested again, unless its pack may try no more: a process that dies while Tune
        hands it its next pack ends that pack's trial at once, whatever may still fail.
        """
        position = self._in_training.pop(trial_id)
        if self._callback.may_try_again(position):
            self._callback.count_death(position)
            self._again.append(position)
        elif position not in self._callback.finished:
            self._callback.give_up(position)

    def save(self, checkpoint_path: str) -> None:
        """Tune would save it, to restore an experiment later. Studies resume from their records instead."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""
