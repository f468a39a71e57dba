"""One search: what one seed tries for one loss on one dataset. It is a function of its own results alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from study.config.model import StudyConfig
from study.config.searches import FACTOR, bracket_size, round_size
from study.planning.grid import BESIDE, Round, Setting
from study.search.sampling import Told, drawn_settings, tpe_settings
from study.search.space import Space


@dataclass(frozen=True)
class Ask:
    """A setting to train, how far, and in which round."""

    setting: Setting
    epoch: int
    round: Round = field(default=BESIDE, compare=False)


Scores = Callable[[Ask], float | None]
"""The validation score of what was asked for: None if it is not there yet, minus infinity if it diverged."""


@dataclass(frozen=True)
class Method:
    """How a search goes about: the same for every dataset, loss and seed of a study.

    Attributes:
        sampling: ``"random"``, ``"sobol"`` or ``"tpe"``.
        budget: How many settings it tries.
        rungs: The epochs at which settings are judged, in order; the last is the last epoch of a run. With several,
            successive halving (Jamieson and Talwalkar 2016): of each bracket of settings one in `factor` goes on.
        factor: How many that is.
        first: A setting that it trains to the last epoch whatever comes, beside its budget; None for none.
        in_rounds: Whether it asks for one round after the other, so that it can be ended after any. TPE always does.
    """

    sampling: str
    budget: int
    rungs: tuple[int, ...]
    factor: int = FACTOR
    first: Setting | None = None
    in_rounds: bool = False

    @property
    def bracket(self) -> int:
        """How many settings are judged against each other, so that one of them is trained to the last epoch."""
        return bracket_size(self.rungs, self.factor)

    @property
    def round(self) -> int:
        """How many settings a round has, whether or not it is asked for alone; the last one may have fewer."""
        return round_size(self.bracket)

    @property
    def batch(self) -> int:
        """How many settings are asked for before results are needed."""
        return self.round if self.in_rounds or self.sampling == "tpe" else self.budget


def method_of(config: StudyConfig) -> Method:
    """How the searches of a study go about."""
    default = config.default_setting
    first = None if default is None else Setting(**default)
    return Method(config.search, config.budget, config.rung_epochs, config.factor, first, config.hours is not None)


class Course(NamedTuple):
    """How far a search has come.

    Attributes:
        asked: Everything that it has asked for so far, in order, whether or not its results are there.
        told: The settings that it is done with, in order, up to the first bracket that is not finished.
    """

    asked: list[Ask]
    told: list[Told]


def progress(space: Space, method: Method, dataset: str, seed: int, scores: Scores) -> Course:
    """How far a search has come with some results. More budget asks for more, and for the same before it.

    Args:
        space: Of the loss.
        method: How it goes about.
        dataset: Name of the dataset.
        seed: Of the search.
        scores: The results so far.
    """
    found, first = _first(method, scores)
    told = [*(first or ())]
    tried = 0
    while settings := _next_settings(space, method, dataset, seed, told, tried):
        in_all = tried + len(settings)
        brackets = [settings[start : start + method.bracket] for start in range(0, len(settings), method.bracket)]
        halved = [
            _halve(bracket, method, scores, _round(method, tried + position * method.bracket, in_all))
            for position, bracket in enumerate(brackets)
        ]
        if first is None:
            halved.insert(0, ([], None))
        found += [ask for asks, _ in halved for ask in asks]
        for _, results in halved:
            if results is None:
                return Course(found, told)
            told += results
        tried = in_all
    return Course(found, told)


def _next_settings(
    space: Space, method: Method, dataset: str, seed: int, told: Sequence[Told], tried: int
) -> tuple[Setting, ...]:
    """The settings that a search asks for once it is done with `tried` of its budget; none at its end."""
    wanted = min(method.batch, method.budget - tried)
    if wanted <= 0:
        return ()
    if method.sampling == "tpe" and tried:
        # A whole batch, so that a larger budget finds the same settings.
        return tpe_settings(space, dataset, seed, tuple(told), method.batch)[:wanted]
    drawn = method.batch  # drawing is doubled each time, for it begins at the beginning
    while drawn < tried + wanted:
        drawn *= 2
    known = (method.first,) if method.first else ()
    settings = drawn_settings(space, method.sampling, dataset, seed, min(drawn, method.budget), known)
    return settings[tried : tried + wanted]


def _round(method: Method, before: int, in_all: int) -> Round:
    """The round of a setting that has some before it, when a search has asked for so many in all."""
    number = before // method.round
    settings = min((number + 1) * method.round, in_all)
    return Round(number, settings, -(-settings // method.bracket))


def _first(method: Method, scores: Scores) -> tuple[list[Ask], list[Told] | None]:
    """What a search asks for beside its budget; and its results, once they are there."""
    if method.first is None:
        return [], []
    ask = Ask(method.first, method.rungs[-1])
    score = scores(ask)
    return [ask], None if score is None else [Told(ask.setting, ((ask.epoch, score),), False)]


def _halve(
    settings: Sequence[Setting], method: Method, scores: Scores, within: Round
) -> tuple[list[Ask], list[Told] | None]:
    """What a bracket has asked for so far; and its results, once it is finished."""
    asks: list[Ask] = []
    seen: dict[Setting, tuple[tuple[int, float], ...]] = dict.fromkeys(settings, ())
    alive = list(settings)
    for epoch in method.rungs:
        now = {setting: scores(Ask(setting, epoch)) for setting in alive}
        asks += [Ask(setting, epoch, within) for setting in alive]
        known = {setting: score for setting, score in now.items() if score is not None}
        if len(known) < len(alive):
            return asks, None
        for setting, score in known.items():
            seen[setting] += ((epoch, score),)
        if epoch != method.rungs[-1]:
            # Sorting is stable: ties go to the first in order.
            best = sorted(alive, key=lambda setting: -known[setting])[: max(len(alive) // method.factor, 1)]
            alive = [setting for setting in alive if setting in best]
    return asks, [Told(setting, trained, setting not in alive) for setting, trained in seen.items()]
