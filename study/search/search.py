"""One search: what one seed tries for one loss on one dataset. It is a function of its own results alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from study.config.model import StudyConfig
from study.config.searches import FACTOR, bracket_size, tpe_batch
from study.planning.grid import Setting
from study.search.sampling import Told, drawn_settings, tpe_settings
from study.search.space import Space


class Ask(NamedTuple):
    """A setting to train, and how far."""

    setting: Setting
    epoch: int


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
    """

    sampling: str
    budget: int
    rungs: tuple[int, ...]
    factor: int = FACTOR
    first: Setting | None = None

    @property
    def bracket(self) -> int:
        """How many settings are judged against each other, so that one of them is trained to the last epoch."""
        return bracket_size(self.rungs, self.factor)

    @property
    def batch(self) -> int:
        """How many settings are asked for before results are needed."""
        return tpe_batch(self.bracket) if self.sampling == "tpe" else self.budget


def method_of(config: StudyConfig) -> Method:
    """How the searches of a study go about."""
    default = config.default_setting
    first = None if default is None else Setting(**default)
    return Method(config.search, config.budget, config.rung_epochs, config.factor, first)


class Progress(NamedTuple):
    """How far a search has come.

    Attributes:
        asked: Everything that it has asked for so far, in order, whether or not its results are there.
        told: The settings that it is done with, in order, up to the first bracket that is not finished.
    """

    asked: list[Ask]
    told: list[Told]


def progress(space: Space, method: Method, dataset: str, seed: int, scores: Scores) -> Progress:
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
    known = [method.first] if method.first else []
    settings = drawn_settings(space, method.sampling, dataset, seed, min(method.batch, method.budget), known)
    while True:
        brackets = [settings[start : start + method.bracket] for start in range(0, len(settings), method.bracket)]
        halved = [_halve(bracket, method, scores) for bracket in brackets]
        if first is None:
            halved.insert(0, ([], None))
        found += [ask for asks, _ in halved for ask in asks]
        for _, results in halved:
            if results is None:
                return Progress(found, told)
            told += results
        wanted = min(method.batch, method.budget - len(told) + len(first or ()))
        if method.sampling != "tpe" or wanted <= 0:
            return Progress(found, told)
        # A whole batch, so that a larger budget finds the same settings.
        settings = list(tpe_settings(space, dataset, seed, tuple(told), method.batch))[:wanted]
        if not settings:
            return Progress(found, told)


def _first(method: Method, scores: Scores) -> tuple[list[Ask], list[Told] | None]:
    """What a search asks for beside its budget; and its results, once they are there."""
    if method.first is None:
        return [], []
    ask = Ask(method.first, method.rungs[-1])
    score = scores(ask)
    return [ask], None if score is None else [Told(ask.setting, ((ask.epoch, score),), False)]


def _halve(settings: Sequence[Setting], method: Method, scores: Scores) -> tuple[list[Ask], list[Told] | None]:
    """What a bracket has asked for so far; and its results, once it is finished."""
    asks: list[Ask] = []
    seen: dict[Setting, tuple[tuple[int, float], ...]] = dict.fromkeys(settings, ())
    alive = list(settings)
    for epoch in method.rungs:
        now = {setting: scores(Ask(setting, epoch)) for setting in alive}
        asks += [Ask(setting, epoch) for setting in alive]
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
