"""Gathers what searches ask for into packs, and goes on with a cohort once all of its packs have ended."""

from __future__ import annotations

from collections import defaultdict
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
        packs: Sequence[PlannedPack],
        among: Sequence[Cohort],
        scores: Mapping[str, float],
        pack: Callable[[Sequence[Run]], list[PlannedPack]],
        moved: Callable[[dict[str, list[FrozenTrial]]], None] = lambda trials: None,
    ) -> None:
        """Starts with the packs of what is asked for and has no result.

        Args:
            packs: These.
            among: The cohorts of the study.
            scores: Validation scores of the recorded runs, by key.
            pack: Makes packs of runs of one cohort.
            moved: Gets the trials of a cohort each time that it goes on or has ended.
        """
        self.packs = list(packs)
        self._cohorts = {cohort.key: cohort for cohort in among}
        self._scores = dict(scores)
        self._pack = pack
        self._moved = moved
        self._given_up: set[str] = set()
        self._open: defaultdict[CohortKey, int] = defaultdict(int)
        for planned in packs:
            self._open[cohort_key(planned.pack.structure)] += 1

    def ended(self, position: int, scores: Mapping[str, float]) -> list[PlannedPack]:
        """Takes the validation scores of a pack's runs, by key; returns the packs that are made of what follows."""
        self._scores.update(scores)
        return self._go_on(position)

    def failed(self, position: int) -> list[PlannedPack]:
        """A pack brings no results: what waits for them is asked for no more. Returns as `ended` does."""
        self._given_up.update(self.packs[position].keys)
        return self._go_on(position)

    def _go_on(self, position: int) -> list[PlannedPack]:
        key = cohort_key(self.packs[position].pack.structure)
        self._open[key] -= 1
        if self._open[key]:
            return []
        self._moved(self._cohorts[key].trials(self._scores))
        known = self._scores.keys() | self._given_up
        runs = [run for run in self._cohorts[key].asked(self._scores) if run.key not in known]
        new = self._pack(runs)
        self._open[key] = len(new)
        self.packs += new
        return new
