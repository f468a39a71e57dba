"""Exploratory verdicts: by miner, and leaving out each level of the grid in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis.comparison import judged
from analysis.corrections import benjamini_hochberg
from analysis.metrics import METRICS
from analysis.pairing import CONDITION, LOSSES, settings
from analysis.verdict_table import grid_rows

SLICED = tuple(
    metric for metric in METRICS if metric.family != "secondary" or metric.name in ("recall_at_1", "linear_accuracy")
)


def slice_verdicts(runs: pd.DataFrame) -> pd.DataFrame:
    """Grid-average verdicts on parts of the grid, corrected by Benjamini and Hochberg over all of them.

    Args:
        runs: A study, as `load_study` gives it.

    Returns:
        The columns of `verdicts`, and ``slice``: ``miner=hard`` for one level alone, ``without margin=1`` for all the
        others. They are exploratory: what they suggest wants a study of its own.

    Examples:
        >>> from analysis import load_study
        >>> slice_verdicts(load_study("demo"))["slice"].unique().tolist()
        ['miner=all', 'miner=hard', 'without margin=0.2', 'without margin=1']
    """
    rows = []
    for dataset, part in settings(runs).items():
        if set(LOSSES) <= set(part["loss"]):
            for name, sliced in _slices(part):
                rows += [{"slice": name, **row} for row in grid_rows(dataset, sliced, SLICED)]
    if not rows:
        return pd.DataFrame(columns=["slice", "dataset", "metric", "verdict"])
    return judged(pd.DataFrame(rows), [], correction=benjamini_hochberg)


def _slices(part: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for factor in CONDITION:
        levels = sorted(part[factor].unique())
        for level in levels if len(levels) > 1 else ():
            text = f"{factor}={level:g}" if factor != "miner" else f"miner={level}"
            if factor == "miner":
                yield text, part[part[factor] == level]
            if len(levels) > 2 or factor != "miner":
                yield f"without {text}", part[part[factor] != level]
