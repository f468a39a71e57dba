"""A search whose results are known: a smooth score of a setting, with noise that a longer training has less of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from study.config.loading import load_config
from study.config.model import StudyConfig
from study.planning.grid import Run, Setting
from study.search.search import Ask
from study.search.space import Own, Space
from trainables.random_streams import stream_number

HALVING: dict[str, Any] = {"halving": True, "factor": 3, "rungs": [6, 17, 50]}
SEARCH: dict[str, Any] = {
    **{"datasets": ["digits"], "search": "sobol", "settings": 9, "halving": False, "seeds": 2},
    **{"margins": ["contrastive=0.1..1024", "triplet=0.03..4096"], "lrs": "1e-4..1e-2"},
}


def searched(**options: Any) -> StudyConfig:
    """A study that searches."""
    return load_config("demo", None, {**SEARCH, **options})


def space(*others: str, **own: Own) -> Space:
    """A space in which all is usual but what is given; `others` have coordinates too."""
    usual: dict[str, Own] = {"miner": ("all",), "margin": (1.0,), "lr": (1e-3,), "weight_decay": (0.0,)}
    usual |= {"batch_size": (64,), "embedding_dim": (128,), "normalize": (False,)}
    return Space(tuple({**usual, **own}.items()), ("margin", "lr", "miner", *others), widest_on_sphere=4.0)


def score_of(ask: Ask) -> float:
    """The best margin is 4, the best learning rate 1e-3; which noise there is depends on the setting alone."""
    away = abs(math.log(ask.setting.margin / 4)) + abs(math.log(ask.setting.lr / 1e-3))
    noise = stream_number(str(ask.setting), 0, "noise", ask.epoch) / 2**63
    return 1 / (1 + away) + 0.5 * noise / ask.epoch


def run_score(run: Run) -> float:
    """The same for a run."""
    values = {**vars(run.structure), **vars(run.member)}
    setting = Setting(**{name: values[name] for name in Setting._fields})
    return score_of(Ask(setting, run.structure.last_epoch))


def to_the_end(asked: Callable[[dict[str, float]], list[Run]], scored: Iterable[Run] = ()) -> list[Run]:
    """All runs that a study asks for, when each is scored as soon as it is asked for."""
    scores = {run.key: run_score(run) for run in scored}
    while missing := [run for run in asked(scores) if run.key not in scores]:
        scores.update((run.key, run_score(run)) for run in missing)
    return asked(scores)
