"""Exploratory verdicts of both estimands: by miner, and leaving out each level of the grid in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from analysis.comparison.comparisons import Comparison, comparisons
from analysis.comparison.judgement import judge
from analysis.comparison.levels import NUMERIC, levels_of
from analysis.comparison.result import Result, result_table
from analysis.comparison.settings import exchangeable
from analysis.conclusions.verdict_table import grid_results, tuned_results
from analysis.metrics import PERFORMANCE, metrics_with
from analysis.parameters import ARM, CONDITION, OWN_SCALE, value_text
from analysis.statistics.corrections import benjamini_hochberg


class SliceResult(NamedTuple):
    """A result on a part of the grid, and which part that is."""

    part: str
    result: Result


def slice_verdicts(runs: pd.DataFrame, rope: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Verdicts on parts of the grid, corrected by Benjamini and Hochberg over all of them, tuned and grid average.

    Args:
        runs: A study, as `load_study` gives it.
        rope: Regions of practical equivalence of one's own, as `verdicts` takes them.

    Returns:
        The columns of `verdicts`, and ``slice``: ``miner=hard`` for one level alone, ``without margin=1`` for all the
        others. Each slice is tuned again among its own conditions. All grid averages come before all that is tuned.
        They are exploratory: test what they suggest in a new study.

    Raises:
        ValueError: If `rope` names what is no metric, or a region is not possible.

    Examples:
        >>> from analysis import load_study
        >>> slice_verdicts(load_study("demo"))["slice"].unique().tolist()
        ['miner=all', 'miner=hard', 'without margin=0.2', 'without margin=1']
    """
    return slice_table(slice_results(comparisons(runs, metrics_with(rope))))


def slice_table(slices: Sequence[SliceResult]) -> pd.DataFrame:
    """Results on slices as `slice_verdicts` gives them."""
    table = result_table([part.result for part in slices])
    table.insert(0, "slice", [part.part for part in slices])
    return table


def slice_results(compared: Sequence[Comparison]) -> list[SliceResult]:
    """The rows of `slice_verdicts`, from the comparisons of a study."""
    averaged: list[SliceResult] = []
    tuned: list[SliceResult] = []
    for comparison in compared:
        metrics = [metric for metric in comparison.metrics if metric.judged]
        performance = [metric for metric in metrics if metric.family in PERFORMANCE]
        for name, rows in _slices(comparison):
            if comparison.has_both(rows):
                part = comparison.among(rows)
                averaged += [SliceResult(name, result) for result in grid_results(part, metrics)]
                tuned += [SliceResult(name, result) for result in tuned_results(part, performance)]
    results = [*averaged, *tuned]
    judged = judge([result for _, result in results], correction=benjamini_hochberg)
    return [SliceResult(name, result) for (name, _), result in zip(results, judged, strict=True)]


def _slices(comparison: Comparison) -> Iterator[tuple[str, pd.DataFrame]]:
    """Parts of what was tried, each with its name.

    A search that learned or halved has none: it would have tried other settings, had it known of a part alone. Of a
    hyperparameter that was drawn from a range no level is left out.
    """
    rows, arms = comparison.runs, comparison.arms
    if not exchangeable(comparison.tried):
        return
    drawn = {name for name in NUMERIC for arm in arms if levels_of(rows[rows[ARM] == arm], name).drawn}
    for factor in (name for name in CONDITION if name not in drawn):
        levels = {arm: sorted(rows.loc[rows[ARM] == arm, factor].unique()) for arm in sorted(arms)}
        first, second = levels.values()
        if factor in OWN_SCALE and first != second and len(first) == len(second):
            yield from _without_own_levels(rows, factor, levels)
            continue
        shared = sorted({*first, *second})
        for level in shared if len(shared) > 1 else ():
            text = f"{factor}={value_text(level)}"
            if factor == "miner":
                yield text, rows[rows[factor] == level]
            if len(shared) > 2 or factor != "miner":
                yield f"without {text}", rows[rows[factor] != level]


def _without_own_levels(
    rows: pd.DataFrame, factor: str, levels: Mapping[str, Sequence[float]]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Where each arm has levels of its own, equally many: without the lowest of both, the next lowest, and so on."""
    for position in range(len(next(iter(levels.values())))):
        left_out = {arm: own[position] for arm, own in levels.items()}
        text = ", ".join(f"{arm} {value_text(level)}" for arm, level in left_out.items())
        yield f"without {factor}={text}", rows[rows[factor] != rows[ARM].map(left_out)]
