"""What a study's searches have trained and chosen, read from its records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis import load_study
from analysis.comparison.arms import arm_pairs
from analysis.comparison.tuning import tune
from analysis.parameters import ARM
from analysis.statistics.intervals import paired_t_interval

OUTCOME = "test/map_at_r"
SEARCH = ["dataset", ARM, "seed"]


@dataclass(frozen=True, eq=False)
class RecordedSearches:
    """The searches of a study.

    Attributes:
        runs: How many runs were trained, those that halving stopped included.
        epochs: How many epochs, over all these runs.
        chosen: The test MAP@R of the setting that each search chose, by dataset, loss and seed.
    """

    runs: int
    epochs: int
    chosen: pd.Series


def read_searches(name: str, storage: Path) -> RecordedSearches:
    """Reads the searches of a study of two losses.

    Raises:
        ValueError: If no choice can be read of a dataset's runs.
    """
    runs = load_study(name, storage)
    epochs = runs["stopped_at"].where(runs["stopped_at"] > 0, runs["epochs"])
    (pair,) = arm_pairs(runs[ARM])
    chosen = []
    for dataset, rows in runs.groupby("dataset"):
        tuned = tune(rows, pair)
        if tuned.refused:
            raise ValueError(f"{dataset}: {tuned.refused}")
        chosen.append(tuned.runs)
    return RecordedSearches(len(runs), int(epochs.sum()), pd.concat(chosen).set_index(SEARCH)[OUTCOME].sort_index())


@dataclass(frozen=True)
class Difference:
    """How far two choices lie apart for one loss on one dataset: the first minus the second, in points.

    Attributes:
        dataset: Name of the dataset.
        loss: Name of the loss.
        first: Mean of the first over the seeds.
        second: Mean of the second.
        mean: Mean difference.
        low: Lower end of its 95% interval over the seeds.
        high: Upper end.
        seeds: How many.
    """

    dataset: str
    loss: str
    first: float
    second: float
    mean: float
    low: float
    high: float
    seeds: int


def differences(first: pd.Series, second: pd.Series) -> Iterable[Difference]:
    """How far the outcomes of two studies' choices lie apart, seed by seed, for each loss on each dataset."""
    both = pd.DataFrame({"first": first, "second": second}).dropna() * 100
    for names, rows in both.groupby(SEARCH[:2]):
        dataset, loss = map(str, names)  # type: ignore[arg-type]
        apart = (rows["first"] - rows["second"]).to_numpy()
        low, high = paired_t_interval(apart)
        means = rows.mean()
        yield Difference(dataset, loss, means["first"], means["second"], float(apart.mean()), low, high, len(rows))
