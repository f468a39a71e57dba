"""Gathers what searches ask for into packs, and goes on with a cohort once all of its packs have ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from optuna.trial import FrozenTrial

from study.planning.grid import Run
from study.planning.packing import PlannedPack
from study.search.cohorts import Cohort, CohortKey, cohort_key


class PackPool:
    """The packs of a session, in the order in which they start. It grows as results come in.

    Attributes:
        packs: All so far, trained or not.
    """

    def __init__(
        self,
        among: Sequence[Cohort],
        scores: Mapping[str, float],
        pack: Callable[[Sequence[Run]], list[PlannedPack]],
        moved: Callable[[dict[str, list[FrozenTrial]]], None] = lambda trials: None,
        in_rounds: bool = False,
    ) -> None:
        """Starts with the packs of what is asked for and has no result.

        Args:
            among: The cohorts of the study.
            scores: Validation scores of the recorded runs, by key.
            pack: Makes packs of runs, each of one cohort.
            moved: Gets the trials of a cohort each time that it goes on or has ended.
            in_rounds: Whether searches may be ended at any time, and then be equally far. No seed of a cohort begins a
                round before the others have ended the one before, and no cohort one before the others of its dataset
                have ended the last but one. What is given up delays nobody.
        """
        self.packs: list[PlannedPack] = []
        self._cohorts = {cohort.key: cohort for cohort in among}
        self._scores = dict(scores)
        self._pack = pack
        self._moved = moved
        self._in_rounds = in_rounds
        self._given_up: set[str] = set()
        self._open = Counter[CohortKey]()
        self._waiting: dict[CohortKey, list[Run]] = {}
        self._round: dict[CohortKey, int] = {}
        for key in self._cohorts:
            self._ask(key)
        self._start()

    @property
    def is_done(self) -> bool:
        """Whether all has ended that was asked for."""
        return not self._round

    def ended(self, position: int, scores: Mapping[str, float]) -> list[PlannedPack]:
        """Takes the validation scores of a pack's runs, by key; returns the packs that are made of what follows."""
        self._scores.update(scores)
        return self._go_on(position)

    def failed(self, position: int) -> list[PlannedPack]:
        """A pack brings no results: what waits for them is asked for no more. Returns as `ended` does."""
        self._given_up.update(self.packs[position].keys)
        return self._go_on(position)

    def tried(self) -> dict[CohortKey, int]:
        """How many settings every seed of a search is done with, those beside its budget included; none for grids."""
        trials = {key: cohort.trials(self._scores).values() for key, cohort in self._cohorts.items()}
        return {key: min(map(len, of_seeds)) for key, of_seeds in trials.items() if of_seeds}

    def _go_on(self, position: int) -> list[PlannedPack]:
        key = cohort_key(self.packs[position].pack.structure)
        self._open[key] -= 1
        if self._open[key]:
            return []
        self._moved(self._cohorts[key].trials(self._scores))
        self._ask(key)
        return self._start()

    def _ask(self, key: CohortKey) -> None:
        """Asks a cohort what it wants next. That waits until it may start."""
        known = self._scores.keys() | self._given_up
        runs = [run for run in self._cohorts[key].asked(self._scores) if run.key not in known]
        if not runs:
            self._round.pop(key, None)
            return
        self._round[key] = min(run.round.number for run in runs)
        self._waiting[key] = [run for run in runs if not self._in_rounds or run.round.number == self._round[key]]

    def _start(self) -> list[PlannedPack]:
        """Packs what waits and may start."""
        starting = [key for key in self._waiting if self._may_start(key)]
        new = self._pack([run for key in starting for run in self._waiting.pop(key)])
        self._open.update(cohort_key(planned.pack.structure) for planned in new)
        self.packs += new
        return new

    def _may_start(self, key: CohortKey) -> bool:
        (dataset, _), own = key, self._round[key]
        return not self._in_rounds or all(own <= other + 1 for (of, _), other in self._round.items() if of == dataset)
