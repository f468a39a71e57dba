"""The runs of a study in words: how many, how they ended, and what they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.comparison.levels import NUMERIC, levels_of, range_words
from analysis.comparison.pairing import OPEN
from analysis.comparison.settings import halves, longest_runs, settings_by_epochs
from analysis.conclusions.fates import Ending, FateAtMargin
from analysis.metrics import SCORE
from analysis.parameters import ARM, CONDITION, FIXED, value_text
from analysis.report.addresses import RunAddresses
from analysis.report.document.text_table import Cell, Link, TextTable
from analysis.report.figures.marks import Marks, marks_of
from analysis.report.findings import Findings
from analysis.report.formatting import mean_text

_MOST = 200  # rows of a table of runs: who needs more asks the records
_HEADINGS = {"lr": "learning rate", "weight_decay": "weight decay", "batch_size": "batch size"}
_RUN_HEADINGS = ("dataset", "loss", "runs", "conditions", "seeds", "diverged")


def run_table(findings: Findings) -> TextTable:
    """Each dataset's and arm's runs, conditions and seeds, and how its runs ended, as far as that is recorded.

    A setting of a seed is one run, however many rungs of a search it reached. Of settings that seeds drew, the
    conditions are those of one seed.
    """
    halved = any(halves(runs) for runs in findings.datasets.values())
    endings = tuple(dict.fromkeys(fate.ending for fate in findings.fates))
    counts = {(fate.dataset, fate.arm, fate.ending): str(fate.count) for fate in findings.fates}
    rows: list[tuple[Cell, ...]] = []
    for dataset, runs in findings.datasets.items():
        for arm, own in longest_runs(runs).groupby(ARM):
            sizes = (len(own), sum(settings_by_epochs(own).values()), own["seed"].nunique())
            stopped = (str((own["stopped_at"] > 0).sum()),) if halved else ()
            ended = (f"{own['diverged'].mean():.1%}", *(counts[dataset, str(arm), ending] for ending in endings))
            rows.append((dataset, str(arm), *map(str, sizes), *stopped, *ended))
    headings = (*_RUN_HEADINGS[:-1], *(("stopped",) if halved else ()), _RUN_HEADINGS[-1], *endings)
    return TextTable(headings, frozenset(_RUN_HEADINGS[:2]), rows)


@dataclass(frozen=True)
class _ShownRun:
    """A run of a table, of a dataset, with its marks."""

    dataset: str
    run: pd.Series
    marks: Marks


def chosen_runs(findings: Findings) -> TextTable:
    """The run of each seed and arm that the tuned verdicts are read of, with its test score."""
    return _table_of_runs(
        [
            one
            for comparison in findings.comparisons
            for one in _shown(comparison.label, comparison.tuned.runs.sort_values(["seed", ARM]), comparison.tried)
        ],
        findings.shown_at,
        scored=True,
    )


def diverged_runs(findings: Findings) -> TextTable:
    """The runs that diverged, the first `_MOST` of them."""
    rows: list[_ShownRun] = []
    for dataset, tried in findings.datasets.items():
        diverged = tried[tried["diverged"].astype(bool)].sort_values([ARM, "lr", "margin", "seed"])
        rows += _shown(dataset, diverged, tried)
    return _table_of_runs(rows[:_MOST], findings.shown_at)


def _shown(dataset: str, runs: pd.DataFrame, tried: pd.DataFrame) -> list[_ShownRun]:
    if runs.empty:
        return []
    of_run = zip(runs.iterrows(), marks_of(runs, tried), strict=True)
    return [_ShownRun(dataset, run, marks) for (_, run), marks in of_run]


def _table_of_runs(rows: Sequence[_ShownRun], shown_at: RunAddresses | None, scored: bool = False) -> TextTable:
    """Runs with their settings and their keys."""
    varied = [name for name in OPEN if len({one.run[name] for one in rows}) > 1]
    names = ("seed", ARM, "miner", "margin", "lr", *varied)
    cells: list[tuple[Cell, ...]] = [
        (
            one.dataset,
            *(value_text(one.run[name]) for name in names),
            *((mean_text(one.run.get(SCORE.column, math.nan), SCORE.scale),) if scored else ()),
            Link(str(one.run["key"]), shown_at.of(str(one.run["key"]))) if shown_at else str(one.run["key"]),
        )
        for one in rows
    ]
    headings = ("dataset", *(_HEADINGS.get(name, name) for name in names), *((SCORE.title,) if scored else ()), "run")
    words = frozenset({"dataset", ARM, "miner", "run"})
    return TextTable(headings, words, cells, marks=[one.marks for one in rows])


def fate_lines(findings: Findings) -> list[str]:
    """How many runs collapsed or were satisfied at each margin, and from which epoch on."""
    lines = []
    for fate in findings.fates:
        parts = [f"{one.count} of {one.runs} {_at_text(one)}, from epoch {one.epoch:g} on" for one in fate.by_margin]
        if parts:
            lines.append(f"{fate.dataset}, {fate.arm}, {fate.ending}: {'; '.join(parts)}")
    return lines


def _at_text(fate: FateAtMargin) -> str:
    return (
        f"at margin {fate.margin:g}" if fate.up_to is None else f"at margins {range_words((fate.margin, fate.up_to))}"
    )


def fate_texts(findings: Findings) -> list[str]:
    """What the endings that the study records mean, and what to do about them."""
    happened = {fate.ending for fate in findings.fates if fate.count}
    if findings.fates and not happened:
        return ["No run collapsed (all embeddings near one point) or was satisfied (no active negative left)."]
    return [text for ending, text in _FATES.items() if ending in happened]


_FATES: dict[Ending, str] = {
    "collapsed": "Collapsed: the network puts all samples at nearly one point, far closer together than the margin. "
    "The loss then stands still at its margin (with pairs: at what negatives cost at distance 0), and nothing is "
    "learned any more. It is not a matter of more epochs: take a smaller margin, a lower learning rate or a miner with "
    "easier negatives, or normalise the embeddings.",
    "satisfied": "Satisfied: all negatives that the miner compares keep the margin, so that none is active. A loss "
    "that compares each positive with a negative is then 0, which is normal and no error, and nothing changes more. "
    "One that draws positives together in any case goes on doing so, until negatives come within the margin. Where "
    "another margin scores better, this one is too small for these embeddings: take a larger one, or a miner with "
    "harder negatives.",
}


def fixed_lines(findings: Findings) -> list[str]:
    """How each dataset was studied: what all its runs share, and the levels of what differs."""
    lines = []
    for dataset, runs in findings.datasets.items():
        fixed = ", ".join(f"{name} {runs[name].iloc[0]}" for name in FIXED if name != "data_digest")
        lines.append(f"{dataset}: {fixed}; {', '.join(_levels_text(runs, name) for name in CONDITION)}")
    return lines


def _levels_text(runs: pd.DataFrame, name: str) -> str:
    """The levels of what differs within an arm; those of each arm where these are not the same."""
    own = {str(arm): _own_levels(rows, name) for arm, rows in runs.groupby(ARM)}
    if len(set(own.values())) == 1:
        return f"{name} {next(iter(own.values()))}"
    return f"{name} {'; '.join(f'{arm} {levels}' for arm, levels in own.items())}"


def _own_levels(rows: pd.DataFrame, name: str) -> str:
    """The levels of what differs among the runs of one arm; of a range that seeds drew from, its ends."""
    if name in NUMERIC and (levels := levels_of(rows, name)).drawn:
        return f"drawn from {range_words((levels.ranges[0][0], levels.ranges[-1][1]))}"
    return ", ".join(map(value_text, sorted(rows[name].unique().tolist())))
