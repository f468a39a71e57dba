"""The searcher that Ray Tune asks for its next trial. What it suggests are packs, short ones several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from ray.tune.search import Searcher

from study.cluster.trials import TrialCallback
from trainables.tune_adapter import TrainingJob

_SECONDS = 5.0  # of a trial, by which what it costs Tune to begin and end it is little
_SHARE = 0.25  # of a worker's part of what is left: at the end no worker shall wait for another


class PackSearcher(Searcher):  # type: ignore[misc]
    """Suggests packs in their order, as long as more come.

    What comes next may depend on results: whoever listens to these appends to the packs.
    """

    def __init__(
        self, jobs: Sequence[TrainingJob], callback: TrialCallback, expected_seconds: Callable[[int], float]
    ) -> None:
        """Starts with the first pack.

        Args:
            jobs: The packs. They may grow for as long as one of them trains.
            callback: Knows which packs have results.
            expected_seconds: How long the pack at a position will train.
        """
        super().__init__()
        self._jobs = jobs
        self._callback = callback
        self._expected_seconds = expected_seconds
        self._next = 0
        self._again: deque[int] = deque()
        self._in_training: dict[str, list[int]] = {}

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        # Tune pickles it, to restore an experiment later. Studies resume from their records instead.
        return Searcher, ()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Tune's question: the configuration of a trial; None if it must wait; `FINISHED` at the end."""
        if self._again:
            positions = [self._again.popleft()]
        elif self._next < len(self._jobs):
            positions = self._next_positions()
            self._next += len(positions)
        else:
            return None if self._in_training else Searcher.FINISHED
        self._in_training[trial_id] = positions
        jobs = [(position, self._jobs[position]) for position in positions]
        return {"jobs": jobs, "pieces": 1, "from_scratch": False}

    def _next_positions(self) -> list[int]:
        seconds = [self._expected_seconds(position) for position in range(self._next, len(self._jobs))]
        most = min(_SECONDS, _SHARE * sum(seconds) / (len(self._in_training) + 1))
        together = sum(total <= most for total in accumulate(seconds))
        return [*range(self._next, self._next + max(together, 1))]

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tune's hook: a trial has ended.

        Packs that it brought no result for are suggested again, unless they may try no more: a process that dies while
        Tune hands it its next packs ends their trial at once, whatever may still fail.
        """
        for position in self._in_training.pop(trial_id):
            if self._callback.may_try_again(position):
                self._callback.count_death(position)
                self._again.append(position)
            elif position not in self._callback.finished:
                self._callback.give_up(position)

    def save(self, checkpoint_path: str) -> None:
        """See `__reduce__`."""

    def restore(self, checkpoint_path: str) -> None:
        """See `__reduce__`."""
