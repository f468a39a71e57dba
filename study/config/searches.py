"""What a search is, and which searches are possible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from study.config.levels import Level, Range

SAMPLINGS = ("grid", "random", "sobol", "tpe")
FACTOR = 4  # of the settings at a rung, one in so many goes on to the next
ROUND = 8  # settings of a round, at least; tpe draws its first round at random
DEFAULT_SETTINGS = 24
MOST_HOURS = 10_000.0  # over a year


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


def round_size(bracket: int) -> int:
    """How many settings a round has, which TPE and searches that a clock ends ask for at once: whole brackets."""
    return bracket * math.ceil(ROUND / bracket)


def round_at_rungs(rungs: Sequence[int], factor: int) -> tuple[int, ...]:
    """How many settings of a round are trained to each rung, the first of them all."""
    size = round_size(bracket_size(rungs, factor))
    return tuple(size // factor**rung for rung in range(len(rungs)))


def default_settings(rungs: Sequence[int], factor: int, most: int | None) -> int:
    """How many settings a search tries that is not told how many: whole brackets; whole rounds where a clock ends it.

    Args:
        rungs: The epochs at which it halves, the last epoch included.
        factor: Of the settings at a rung, one in so many goes on.
        most: How many runs it may have if a clock ends it, the default setting included; None if none does.
    """
    if most is None:
        return whole_brackets(DEFAULT_SETTINGS, rungs, factor)
    in_round = round_at_rungs(rungs, factor)
    return in_round[0] * max((most - 1) // sum(in_round), 1)


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


def check_budget(sampling: str, settings: int, rungs: Sequence[int], factor: int, timed: bool = False) -> None:
    """Refuses a number of settings that the sampler or the halving cannot do with.

    Args:
        sampling: How settings are chosen.
        settings: How many.
        rungs: The epochs at which it halves, the last epoch included; one alone does not halve.
        factor: Of the settings at a rung, one in so many goes on.
        timed: Whether a clock may end it.

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
    start = round_size(bracket)
    if timed and settings < start:
        raise ValueError(
            f"--settings {settings}: with --hours searches go on in rounds of {start} settings: give {start} or more, "
            "or leave --hours out"
        )
    if sampling == "tpe" and settings <= start:
        raise ValueError(
            f"--settings {settings}: tpe draws its first {start} settings at random, and learns from them: give "
            f"{start + bracket} or more"
        )
