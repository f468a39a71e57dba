"""Draws settings with Optuna's samplers, seeded by dataset and seed: the same ones wherever they are drawn."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.config.searches import ROUND
from study.planning.grid import Setting
from study.search.space import Space
from trainables.random_streams import stream_number

_MORE_TRIES = 100  # for a setting that was not drawn before
_WORST = 0.0  # the least that MAP@R can be: a setting that diverged is spent


class Told(NamedTuple):
    """A setting that a search has seen results of.

    Attributes:
        setting: The setting.
        scores: Its validation score after each epoch at which it was judged; minus infinity where it diverged.
        stopped: Whether it was stopped before the last epoch.
    """

    setting: Setting
    scores: tuple[tuple[int, float], ...]
    stopped: bool


@lru_cache(maxsize=4096)
def drawn_settings(
    space: Space, sampling: str, dataset: str, seed: int, count: int, known: tuple[Setting, ...] = ()
) -> tuple[Setting, ...]:
    """The first settings of a search, none of them twice. More of them begin with the same ones.

    They stand at the same points of the unit cube for every loss.

    Args:
        space: Of one loss.
        sampling: ``"sobol"`` (scrambled); all others begin at random.
        dataset: Name of the dataset.
        seed: Of the search.
        count: How many; there are fewer if a space holds no more.
        known: Settings that are tried anyway, which are left out.
    """
    for more in (0, _MORE_TRIES):  # two may be the same to six digits
        points = _points(sampling == "sobol", dataset, seed, len(space.coordinates), count + more)
        settings = tuple(setting for setting in dict.fromkeys(map(space.at, points)) if setting not in known)
        if len(settings) >= count:
            break
    return settings[:count]


@lru_cache(maxsize=4096)
def _points(quasi: bool, dataset: str, seed: int, dimensions: int, count: int) -> tuple[tuple[float, ...], ...]:
    """Points of the unit cube."""
    cube: dict[str, BaseDistribution] = {str(dimension): FloatDistribution(0.0, 1.0) for dimension in range(dimensions)}
    number = _number(dataset, seed, "search")
    with quiet():
        # Optuna draws the first trial of a quasi-random study without its sampler; this one stands in for it.
        first = [create_trial(value=_WORST, params=dict.fromkeys(cube, 0.5), distributions=cube)] if quasi else []
        sampler = QMCSampler(qmc_type="sobol", scramble=True, seed=number) if quasi else RandomSampler(seed=number)
        study = _study(sampler, first)
        trials = [study.ask(cube) for _ in range(count)]
    return tuple(tuple(trial.params[name] for name in cube) for trial in trials)


@lru_cache(maxsize=4096)
def tpe_settings(space: Space, dataset: str, seed: int, told: tuple[Told, ...], count: int) -> tuple[Setting, ...]:
    """The settings that a multivariate tree-structured Parzen estimator asks for next (Bergstra et al. 2011).

    They depend on the arguments alone.

    Args:
        space: Of one loss.
        dataset: Name of the dataset.
        seed: Of the search.
        told: What the search has seen so far.
        count: How many settings are wanted at once.
    """
    known = {each.setting for each in told}  # what a search trains anyway is among them
    settings: list[Setting] = []
    with quiet():
        number = _number(dataset, seed, "search", len(told))
        options: dict[str, Any] = {"multivariate": True, "constant_liar": True, "group": space.is_conditional}
        sampler = TPESampler(**options, n_startup_trials=ROUND, seed=number)
        study = _study(sampler, [as_trial(space, each) for each in told])
        for _ in range(count + _MORE_TRIES):
            setting = space.suggested(study.ask())
            if setting not in known:
                known.add(setting)
                settings.append(setting)
            if len(settings) == count:
                break
    return tuple(settings)


def as_trial(space: Space, told: Told) -> FrozenTrial:
    """A setting with its results as a trial of Optuna's."""
    scores = {epoch: max(score, _WORST) for epoch, score in told.scores}
    return create_trial(
        state=TrialState.PRUNED if told.stopped else TrialState.COMPLETE,
        value=scores[max(scores)],
        params=space.params(told.setting),
        distributions=space.distributions(told.setting),
        intermediate_values=scores,
    )


def _study(sampler: BaseSampler, trials: list[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.add_trials(trials)
    return study


def _number(dataset: str, seed: int, purpose: str, epoch: int = 0) -> int:
    """A seed as Optuna's samplers take it, of 32 bits."""
    return stream_number(dataset, seed, purpose, epoch) >> 31


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's lines about each study, and its warnings of what is experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
