"""What a study asks for: the runs of its grid, or those that the searches of all seeds have asked for so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from analysis.plain_text import name_text
from study.config.model import StudyConfig
from study.data.sources import EncodedDataset
from study.planning.grid import Run, expand, run_maker
from study.planning.work import Work
from study.search.sampling import as_trial
from study.search.search import Ask, Course, method_of, progress
from study.search.space import space_of
from trainables.pack import DatasetKey, Structure

CohortKey = tuple[DatasetKey, str]


@dataclass(frozen=True)
class Cohort:
    """The runs of one loss on one dataset, of all seeds. Their searches go on together, so that packs are large.

    Attributes:
        key: The dataset and the loss.
        asked: From the validation scores of finished runs, by key, all runs asked for so far, finished or not.
        in_all: How many runs it will have asked for in the end.
        trials: From the same scores, what its searches are done with, as trials of Optuna's, by the search's name. A
            grid has none.
    """

    key: CohortKey
    asked: Callable[[Mapping[str, float]], list[Run]]
    in_all: tuple[Work, ...]
    trials: Callable[[Mapping[str, float]], dict[str, list[FrozenTrial]]] = lambda scores: {}

    def left(self, done: Iterable[Run]) -> list[Work]:
        """What is still to be trained, when some of its runs are done."""
        trained = Counter(run.structure.stop_at for run in done if cohort_key(run.structure) == self.key)
        return [Work(each.structure, each.runs - trained[each.structure.stop_at]) for each in self.in_all]


def cohorts(config: StudyConfig, datasets: Sequence[EncodedDataset]) -> list[Cohort]:
    """The cohorts of a study: each loss on each dataset."""
    make = _of_grid if config.search == "grid" else _of_searches
    return [make(config, encoded, loss) for encoded in datasets for loss in config.losses]


def all_asked(among: Iterable[Cohort], scores: Mapping[str, float]) -> list[Run]:
    """All runs that some cohorts have asked for so far."""
    return [run for cohort in among for run in cohort.asked(scores)]


def cohort_key(structure: Structure) -> CohortKey:
    """The cohort of the runs of a structure."""
    return structure.dataset_key, structure.loss


def _of_grid(config: StudyConfig, encoded: EncodedDataset, loss: str) -> Cohort:
    runs = expand(config, [encoded], [loss])
    return Cohort((encoded.key, loss), lambda scores: runs, (Work(runs[0].structure, len(runs)),))


def _of_searches(config: StudyConfig, encoded: EncodedDataset, loss: str) -> Cohort:
    make, space, method = run_maker(config, encoded, loss), space_of(config, loss), method_of(config)

    def run_of(ask: Ask, seed: int) -> Run:
        return make(ask.setting, seed, None if ask.epoch == config.epochs else ask.epoch, ask.round)

    def of_seed(seed: int, scores: Mapping[str, float]) -> Course:
        return progress(space, method, encoded.dataset, seed, lambda ask: scores.get(run_of(ask, seed).key))

    def asked(scores: Mapping[str, float]) -> list[Run]:
        return [run_of(ask, seed) for seed in config.seeds for ask in of_seed(seed, scores).asked]

    def trials(scores: Mapping[str, float]) -> dict[str, list[FrozenTrial]]:
        of_loss = f"{name_text(encoded.dataset)} {encoded.encoder} {loss}"
        return {
            f"{of_loss} seed {seed}": [as_trial(space, told) for told in of_seed(seed, scores).told]
            for seed in config.seeds
        }

    anywhere, seeds = space.middle(), config.seeds
    in_all = [
        Work(run_of(Ask(anywhere, epoch), seeds[0]).structure, count * len(seeds))
        for epoch, count in zip(config.rung_epochs, config.settings_at_rungs, strict=True)
    ]
    return Cohort((encoded.key, loss), asked, tuple(in_all), trials)
