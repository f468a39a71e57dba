"""What a search is, and which searches are possible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from study.config.levels import Level, Range

SAMPLINGS = ("grid", "random", "sobol", "tpe")
FACTOR = 3  # of the settings at a rung, one in so many goes on to the next
RUNGS = 3  # if none are given
TPE_BATCH = FACTOR**2  # settings that are asked for at once; the first are drawn at random
DEFAULT_SETTINGS = 27


def default_rungs(epochs: int) -> tuple[int, ...]:
    """The epochs at which a search halves, the last epoch included: 5, 16 and 50 for 50 epochs."""
    return tuple(epochs // FACTOR**rung for rung in reversed(range(RUNGS)))


def bracket_size(rungs: Sequence[int]) -> int:
    """How many settings are judged against each other at some rungs, for one of them to reach the last epoch."""
    size: int = FACTOR ** (len(rungs) - 1)
    return size


def check_rungs(rungs: Sequence[int], epochs: int) -> None:
    """Refuses rungs that are out of order.

    Raises:
        ValueError: With what would be right.
    """
    if len(rungs) < 2 or rungs[0] < 1 or any(low >= high for low, high in pairwise(rungs)):
        raise ValueError(
            f"rungs {', '.join(map(str, rungs))} are out of order: give at least two epochs, each later than the one "
            f"before, such as 5,16,50{'' if epochs >= FACTOR ** (RUNGS - 1) else '; fewer epochs cannot be halved'}"
        )
    if rungs[-1] != epochs:
        raise ValueError(f"the last rung is {rungs[-1]}, and runs have {epochs} epochs: both must be the same")


def check_levels(sampling: str, name: str, levels: Mapping[str, Sequence[Level]]) -> None:
    """Refuses levels of a hyperparameter that cannot be searched in this way.

    Args:
        sampling: How settings are chosen.
        name: Of the hyperparameter's option.
        levels: Those of each loss.

    Raises:
        ValueError: With what would be right.
    """
    for loss, own in levels.items():
        ranges = [level for level in own if isinstance(level, Range)]
        if ranges and sampling == "grid":
            raise ValueError(
                f"--{name} {ranges[0]} of {loss!r} is a range, and a grid tries levels: give these, or --search sobol"
            )
        if ranges and len(own) > 1:
            raise ValueError(f"--{name} of {loss!r}: give one range, or levels to choose from, not both")


def check_budget(sampling: str, settings: int, rungs: Sequence[int]) -> None:
    """Refuses a number of settings that the sampler or the halving cannot do with.

    Args:
        sampling: How settings are chosen.
        settings: How many.
        rungs: The epochs at which it halves, the last epoch included; one alone does not halve.

    Raises:
        ValueError: With numbers that would be right.
    """
    bracket = bracket_size(rungs)
    if settings % bracket:
        nearest = sorted({max(settings // bracket, 1) * bracket, (settings // bracket + 1) * bracket})
        raise ValueError(
            f"--settings {settings}: rungs at epochs {', '.join(map(str, rungs))} halve brackets of {bracket} settings "
            f"({FACTOR} to 1 at each): give {' or '.join(map(str, nearest))}"
        )
    start = math.lcm(TPE_BATCH, bracket)
    if sampling == "tpe" and settings <= start:
        raise ValueError(
            f"--settings {settings}: tpe draws its first {start} settings at random, and learns from them: give more"
        )
