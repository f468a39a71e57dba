"""What a study's searches have trained and chosen, read from its records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import load_study
from analysis.comparison.tuning import validation_scores
from analysis.parameters import ARM
from analysis.statistics.intervals import paired_t_interval
from analysis.store.records import BrokenRecordError, read_records, records_folder

OUTCOME = "test/map_at_r"
SEARCH = ["dataset", ARM, "seed"]
_WHOLE = "false"  # the tag `stopped` of a run that halving did not stop


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
    """Reads the searches of a study, of whatever state its halving is in.

    Raises:
        BrokenRecordError: If one of its records is broken.
    """
    last_epochs: dict[str, int] = {}
    stopped: set[str] = set()
    for record in read_records(records_folder(storage, name)):
        if isinstance(record, BrokenRecordError):
            raise record
        for run in record.runs:
            tag = run.tags.get("stopped", _WHOLE)
            last_epochs[run.key] = int(run.params["epochs"] if tag == _WHOLE else tag.removeprefix("epoch "))
            stopped |= {run.key} if tag != _WHOLE else set()
    runs = load_study(name, storage)
    return RecordedSearches(len(last_epochs), sum(last_epochs.values()), chosen(runs[~runs["key"].isin(stopped)]))


def chosen(runs: pd.DataFrame) -> pd.Series:
    """The outcome of the run with the best validation score, by dataset, loss and seed.

    Args:
        runs: Those that were trained to their last epoch.
    """
    runs = runs.assign(score=validation_scores(runs)).sort_values("score", ascending=False, kind="stable")
    outcomes: pd.Series = runs[np.isfinite(runs["score"])].drop_duplicates(SEARCH).set_index(SEARCH)[OUTCOME]
    return outcomes.sort_index()


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
