"""How settings were searched: on a grid that all seeds share, or drawn by each seed for itself, perhaps with halving.

Successive halving stops runs at rungs, early epochs. A stopped run has the parameters of the whole one and another key,
so that a setting may have several runs under one seed: one for each rung that it reached, and the whole one. Verdicts
are read of whole runs alone; how many settings were tried, and which were stopped, is known of all of them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.comparison.arms import ArmPair
from analysis.comparison.pairing import Seed, is_default, row_tuples
from analysis.parameters import ARM, CONDITION, GRID

_EPOCHS = CONDITION.index("epochs")
_OF_SEED = [ARM, "seed", *CONDITION]
_LEARNS = "tpe"  # it draws settings by what it has seen of others


def whole_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs that were trained to their last epoch."""
    return rows[rows["stopped_at"] == 0]


def longest_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """One run for each setting of each seed and arm: the whole one, else that which was stopped last."""
    if not halves(rows):
        return rows
    stopped_at = rows["stopped_at"].to_numpy()
    order = np.argsort(np.where(stopped_at > 0, stopped_at, np.inf), kind="stable")
    repeated = rows[_OF_SEED].iloc[order].duplicated(keep="last").to_numpy()
    return rows.iloc[np.sort(order[~repeated])]


def halves(rows: pd.DataFrame) -> bool:
    """Whether any run was stopped."""
    return bool((rows["stopped_at"] > 0).any())


def in_equal_rounds(rows: pd.DataFrame, arms: ArmPair) -> npt.NDArray[np.bool_]:
    """(runs,) whether a run is of a round that is read.

    Searches go on in rounds, and time may end them in the middle of one. A seed has completed a round once all of its
    settings are there, of both arms, diverged ones included, with as many trained to the last epoch as halving lets go
    on. Read is all up to the last round that every seed has completed which has completed the one before, the first at
    least, if a seed has completed that. A seed that is further behind lacks runs as it would anywhere. Which rounds
    these are depends on which runs there are, never on their results. Runs that bear no round are read, like one that
    is complete.

    Args:
        rows: Runs of one dataset, both arms, stopped ones included.
        arms: Which ones.
    """
    read = np.ones(len(rows), dtype=bool)
    if not (rows["round_settings"] > 0).any():
        return read
    rows = rows.reset_index(drop=True)
    # A setting belongs to the round in which it was asked for first.
    ends = rows.groupby(_OF_SEED)["round_settings"].transform("min")
    for _, own in rows.groupby("epochs"):
        read[own.index] = ends[own.index] <= _last_equal(own.assign(end=ends[own.index]), arms)
    return read


def _last_equal(rows: pd.DataFrame, arms: ArmPair) -> int:
    """How many settings a search has tried after the last round that is read; 0 where no seed has completed one.

    Args:
        rows: Runs of one number of epochs, with a column ``end``: how many settings there are after their round.
        arms: Both arms.
    """
    beside = is_default(rows) & (rows["round_settings"] == 0)  # what a search trains beside its budget
    drawn = rows[(rows["search"] != GRID) & ~beside]
    wanted = drawn.groupby("round_settings")["round_whole"].max()
    settings, whole = wanted.index.to_numpy(), wanted.to_numpy()
    completed: dict[Any, int] = {}
    for seed_and_arm, own in drawn.groupby(["seed", ARM]):
        tried, finished = (
            np.array([np.count_nonzero(each <= end) for end in settings])
            for each in (_first_ends(own), _first_ends(whole_runs(own)))
        )
        completed[seed_and_arm] = int(np.cumprod((tried >= settings) & (finished >= whole)).sum())
    counts = [min(completed.get((seed, arm), 0) for arm in arms) for seed in rows["seed"].unique()]
    if not any(counts):
        return 0
    last = min(count for count in counts if count >= max(counts) - 1)
    return int(settings[max(last, 1) - 1])


def _first_ends(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """(settings,) the column ``end`` of each setting of one seed and arm."""
    return rows.drop_duplicates(list(CONDITION))["end"].to_numpy(np.int64)


def is_drawn(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(runs,) whether its seed drew a run's setting for itself. Settings that a grid holds too are the grid's."""
    drawn = (rows["search"] != GRID).to_numpy(dtype=bool)
    if not drawn.any() or drawn.all():
        return drawn
    settings = list(row_tuples(rows, [ARM, *CONDITION]))
    of_grid = {setting for setting, own in zip(settings, drawn, strict=True) if not own}
    return np.array([setting not in of_grid for setting in settings])


def exchangeable(rows: pd.DataFrame) -> bool:
    """Whether some of the settings, in any order, are what a smaller search could have tried."""
    return not halves(rows) and not (rows["search"] == _LEARNS).any()


def settings_by_epochs(rows: pd.DataFrame) -> Counter[int]:
    """How many settings one arm has for each number of epochs: all of the grid, and what the seed with most drew.

    Args:
        rows: The arm's runs on one dataset, stopped ones included if they are to count.
    """
    of_grid: set[tuple[Any, ...]] = set()
    of_seeds: set[tuple[Any, ...]] = set()
    for drawn, seed, setting in zip(is_drawn(rows), rows["seed"].tolist(), row_tuples(rows, CONDITION), strict=True):
        if drawn:
            of_seeds.add((seed, *setting))
        else:
            of_grid.add(setting)
    counts = Counter(setting[_EPOCHS] for setting in of_grid)
    most: dict[int, int] = {}
    for (_, epochs), count in Counter((seed, setting[_EPOCHS]) for seed, *setting in of_seeds).items():
        most[epochs] = max(most.get(epochs, 0), count)
    return counts + Counter(most)


def of_complete_seeds(rows: pd.DataFrame, arms: ArmPair, budget: int) -> pd.DataFrame:
    """The runs of the seeds that have tried as many settings of both arms as there are, diverged ones included.

    Another seed would choose among fewer settings for one arm than for the other, and the best of more is better by
    chance alone.

    Args:
        rows: Runs of one dataset, both arms.
        arms: Which ones.
        budget: The number of settings of each arm.
    """
    tried = _tried(rows)
    complete = [seed for seed in tried if all(tried[seed][arm] == budget for arm in arms)]
    return rows[rows["seed"].isin(complete)]


def of_even_seeds(rows: pd.DataFrame, arms: ArmPair) -> pd.DataFrame:
    """The runs of the seeds that have tried as many settings of one arm as of the other, however many these are.

    Args:
        rows: Runs of one dataset, both arms.
        arms: Which ones.
    """
    tried = _tried(rows)
    even = [seed for seed in tried if tried[seed][arms.first] == tried[seed][arms.second]]
    return rows[rows["seed"].isin(even)]


def _tried(rows: pd.DataFrame) -> dict[Seed, Counter[str]]:
    """How many settings each seed has tried of each arm."""
    tried: dict[Seed, Counter[str]] = {}
    for arm, seed, *_ in set(row_tuples(rows, _OF_SEED)):
        tried.setdefault(seed, Counter())[arm] += 1
    return tried


def search_text(rows: pd.DataFrame) -> str:
    """How the settings of one arm were chosen, how many each seed tried, and what became of them, in words.

    Args:
        rows: The arm's runs on one dataset, stopped ones included.
    """
    tried, finished = (sum(settings_by_epochs(own).values()) for own in (rows, whole_runs(rows)))
    kinds = " and ".join("a grid" if name == GRID else str(name) for name in sorted(rows["search"].unique()))
    text = f"{tried} setting{'s' * (tried != 1)} a seed by {kinds}"
    if not halves(rows):
        return text
    ended = longest_runs(rows)
    stopped = ended[ended["stopped_at"] > 0].groupby(["stopped_at", "seed"]).size().groupby("stopped_at").max()
    parts = ", ".join(
        f"{count} {'' if position else 'stopped '}at epoch {epoch}"
        for position, (epoch, count) in enumerate(stopped.items())
    )
    return f"{text}, {finished} of them trained to the end; {parts}"
