"""How well each margin scores with each learning rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison.levels import levels_of
from analysis.comparison.pairing import by_dataset, has_repeats
from analysis.comparison.settings import whole_runs
from analysis.metrics import SCORE, SELECTION
from analysis.parameters import ARM

_PARAMETERS = ("margin", "lr")
_SCORES = {"validation": SELECTION, "test": SCORE.column}
_COLUMNS = (
    *("dataset", ARM, "margin", "margin_low", "margin_high", "lr", "lr_low", "lr_high"),
    *("runs", "diverged", "n", "validation", "test"),
)


def landscape(runs: pd.DataFrame) -> pd.DataFrame:
    """The map of margin and learning rate: the mean MAP@R of the runs that were trained to the end, cell by cell.

    Runs of a cell, which differ in the other hyperparameters, are averaged within each seed, and the seeds' means are
    averaged. Not the best of a cell: where seeds drew settings, cells hold different numbers of them, and the best of
    more is better by chance alone. A diverged run counts as 0, the least that MAP@R can be. Where halving stopped
    settings, a cell has only those that were good at the rungs. Exploratory: no verdict rests on it.

    Args:
        runs: A study, as `load_study` gives it.

    Returns:
        A row for each dataset, loss, margin and learning rate, empty cells included, of losses that have several of
        both: ``validation`` and ``test``, the mean MAP@R over ``n`` seeds (a share, NaN in an empty cell); how many
        ``runs`` the cell has, and how many of them ``diverged``. ``margin`` and ``lr`` are values of a grid or a list,
        else the middles of the fifths of what was drawn, on a log scale, which go from ``_low`` to ``_high``.
    """
    return landscape_of(by_dataset(runs))


def landscape_of(datasets: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """As `landscape`, from the runs of each dataset as `by_dataset` gives them."""
    found = [
        {"dataset": dataset, ARM: arm, **cell}
        for dataset, runs in datasets.items()
        for arm, own in runs.groupby(ARM)
        for cell in _cells(own)
    ]
    return pd.DataFrame(found, columns=_COLUMNS)


def _cells(tried: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The cells of one arm on one dataset; none where one of the two does not vary."""
    runs = whole_runs(tried)
    if has_repeats(runs) or any(runs[name].nunique() < 2 for name in _PARAMETERS):
        return
    levels = {name: levels_of(tried, name) for name in _PARAMETERS}
    known = pd.DataFrame({"seed": runs["seed"], "diverged": runs["diverged"].astype(bool)})
    for name in _PARAMETERS:
        known[name] = levels[name].positions(runs[name])
    for name, column in _SCORES.items():
        values = runs[column].astype(float) if column in runs else pd.Series(np.nan, index=runs.index)
        known[name] = values.where(~known["diverged"], 0.0)
    by_cell = known.groupby(list(_PARAMETERS))
    counts = by_cell.agg(runs=("seed", "size"), diverged=("diverged", "sum"), n=("seed", "nunique"))
    per_seed = known.groupby([*_PARAMETERS, "seed"])[list(_SCORES)].mean()
    cells = counts.join(per_seed.groupby(list(_PARAMETERS)).mean())
    places = list(product(*(range(len(levels[name].ranges)) for name in _PARAMETERS)))
    cells = cells.reindex(pd.MultiIndex.from_tuples(places, names=_PARAMETERS))
    cells = cells.fillna({"runs": 0, "diverged": 0, "n": 0}).astype({"runs": int, "diverged": int, "n": int})
    for place, counted in zip(places, cells.to_dict("records"), strict=True):
        cell: dict[str, Any] = {}
        for name, position in zip(_PARAMETERS, place, strict=True):
            low, high = levels[name].ranges[position]
            cell |= {name: levels[name].middle(position), f"{name}_low": low, f"{name}_high": high}
        yield {**cell, **{str(name): value for name, value in counted.items()}}
