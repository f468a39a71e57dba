"""Exploratory verdicts of both estimands: by miner, and leaving out each level of the grid in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis.comparison import judged
from analysis.corrections import benjamini_hochberg
from analysis.metrics import METRICS
from analysis.pairing import CONDITION, LOSSES, settings, study_seeds
from analysis.tuning import TUNING_SEEDS, check_tuning_seeds
from analysis.verdict_table import PERFORMANCE, grid_rows, tuned_rows

SLICED = tuple(
    metric for metric in METRICS if metric.family != "secondary" or metric.name in ("recall_at_1", "linear_accuracy")
)
_TUNED = tuple(metric for metric in SLICED if metric.family in PERFORMANCE)


def slice_verdicts(runs: pd.DataFrame, tuning_seeds: int = TUNING_SEEDS) -> pd.DataFrame:
    """Verdicts on parts of the grid, corrected by Benjamini and Hochberg over all of both estimands.

    Args:
        runs: A study, as `load_study` gives it.
        tuning_seeds: As for `verdicts`. Each slice is tuned anew among its own settings, by the study's tuning seeds.

    Returns:
        The columns of `verdicts`, and ``slice``: ``miner=hard`` for one level alone, ``without margin=1`` for all the
        others. All grid averages come before all that is tuned. They are exploratory: what they suggest wants a study
        of its own.

    Raises:
        ValueError: If `tuning_seeds` is less than 1.

    Examples:
        >>> from analysis import load_study
        >>> slice_verdicts(load_study("demo"))["slice"].unique().tolist()
        ['miner=all', 'miner=hard', 'without margin=0.2', 'without margin=1']
    """
    check_tuning_seeds(tuning_seeds)
    averaged, tuned = [], []
    for dataset, part in settings(runs).items():
        seeds = study_seeds(part)
        for name, sliced in _slices(part):
            if set(LOSSES) <= set(sliced["loss"]):
                averaged += [{"slice": name, **row} for row in grid_rows(dataset, sliced, SLICED, seeds)]
                of_slice = tuned_rows(dataset, sliced, _TUNED, tuning_seeds, seeds)
                tuned += [{"slice": name, **row} for row in of_slice]
    if not averaged and not tuned:
        return pd.DataFrame(columns=["slice", "dataset", "metric", "estimand", "verdict"])
    return judged(pd.DataFrame([*averaged, *tuned]), [], correction=benjamini_hochberg)


def _slices(part: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for factor in CONDITION:
        levels = sorted(part[factor].unique())
        for level in levels if len(levels) > 1 else ():
            text = f"{factor}={level:g}" if factor != "miner" else f"miner={level}"
            if factor == "miner":
                yield text, part[part[factor] == level]
            if len(levels) > 2 or factor != "miner":
                yield f"without {text}", part[part[factor] != level]
