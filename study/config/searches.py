"""What a search is, and which searches are possible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from study.config.levels import Level, Range

SAMPLINGS = ("grid", "random", "sobol", "tpe")
FACTOR = 4  # of the settings at a rung, one in so many goes on to the next
TPE_BATCH = 8  # settings that are asked for at once, at least; the first are drawn at random
DEFAULT_SETTINGS = 24


def default_rungs(epochs: int, factor: int) -> tuple[int, ...]:
    """The epochs at which a search halves, the last epoch included: 3 and 50 for 50 epochs and a factor of 4.

    One early rung keeps the best settings more often than two or three that cost as much: what is best at a third of
    the training may have its peak there (see README).
    """
    return max(epochs // factor**2, 1), epochs


def bracket_size(rungs: Sequence[int], factor: int) -> int:
    """How many settings are judged against each other at some rungs, for one of them to reach the last epoch."""
    size: int = factor ** (len(rungs) - 1)
    return size


def whole_brackets(settings: int, rungs: Sequence[int], factor: int) -> int:
    """The least number of settings that makes whole brackets, and is no less than a given one."""
    bracket = bracket_size(rungs, factor)
    return bracket * math.ceil(settings / bracket)


def tpe_batch(bracket: int) -> int:
    """How many settings TPE asks for at once: whole brackets."""
    return bracket * math.ceil(TPE_BATCH / bracket)


def check_rungs(rungs: Sequence[int], epochs: int) -> None:
    """Refuses rungs that are out of order.

    Raises:
        ValueError: With what would be right.
    """
    if epochs < 2:
        raise ValueError("a run of one epoch cannot be stopped earlier: give more --epochs, or --no-halving")
    if len(rungs) < 2 or rungs[0] < 1 or any(low >= high for low, high in pairwise(rungs)):
        raise ValueError(
            f"rungs {', '.join(map(str, rungs))} are out of order: give at least two epochs, each later than the one "
            f"before, such as 3,{max(epochs, 4)}"
        )
    if rungs[-1] != epochs:
        raise ValueError(f"the last rung is {rungs[-1]}, and runs have {epochs} epochs: both must be the same")


def check_levels(sampling: str, name: str, levels: Mapping[str, Sequence[Level]]) -> None:
    """Refuses levels of a hyperparameter that cannot be searched in this way.

    Args:
        sampling: How settings are chosen.
        name: Of the field with its values.
        levels: Those of each loss.

    Raises:
        ValueError: With what would be right.
    """
    option = f"--{name.replace('_', '-')}"
    for loss, own in levels.items():
        ranges = [level for level in own if isinstance(level, Range)]
        if ranges and sampling == "grid":
            raise ValueError(
                f"{option} {ranges[0]} of {loss!r} is a range, and a grid tries levels: give {option} some, or "
                "--search sobol"
            )
        if ranges and len(own) > 1:
            raise ValueError(f"{option} of {loss!r}: give one range, or levels to choose from, not both")


def check_budget(sampling: str, settings: int, rungs: Sequence[int], factor: int) -> None:
    """Refuses a number of settings that the sampler or the halving cannot do with.

    Args:
        sampling: How settings are chosen.
        settings: How many.
        rungs: The epochs at which it halves, the last epoch included; one alone does not halve.
        factor: Of the settings at a rung, one in so many goes on.

    Raises:
        ValueError: With numbers that would be right.
    """
    bracket = bracket_size(rungs, factor)
    if settings % bracket:
        nearest = sorted({max(settings // bracket, 1) * bracket, (settings // bracket + 1) * bracket})
        raise ValueError(
            f"--settings {settings}: rungs at epochs {', '.join(map(str, rungs))} halve brackets of {bracket} settings "
            f"({factor} to 1 at each): give {' or '.join(map(str, nearest))}"
        )
    start = tpe_batch(bracket)
    if sampling == "tpe" and settings <= start:
        raise ValueError(
            f"--settings {settings}: tpe draws its first {start} settings at random, and learns from them: give "
            f"{start + bracket} or more"
        )
