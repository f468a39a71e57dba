"""The report of the time to verdict, in Markdown."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

import pandas as pd

from study.config.model import StudyConfig
from study.machine import CORES
from study.progress import duration
from tests.benchmarks.plain_search import Searched, rungs_of
from tests.benchmarks.recorded_searches import RecordedSearches, differences

WHAT = {
    "a": "this project, with halving",
    "b": "this project, without halving",
    "c": "plain Ray Tune, a trial a run, with ASHA",
    "d": "plain Ray Tune, a trial a run",
}
_LIBRARIES = ("torch", "ray", "optuna", "mlflow", "pytorch-metric-learning")


@dataclass(frozen=True)
class OwnTimes:
    """Seconds of this project's command, each time it was run, and what it trained and chose."""

    seconds: tuple[float, ...]
    searches: RecordedSearches


@dataclass(frozen=True)
class PlainTimes:
    """The plain way, from a sample of its searches.

    Attributes:
        seconds: Of the whole command that searched for the sample.
        sample: Its searches.
        scale: Searches of the whole study for one of the sample.
    """

    seconds: float
    sample: tuple[Searched, ...]
    scale: float

    @property
    def searching(self) -> float:
        """Seconds in which the sample was searched."""
        return sum(each.seconds for each in self.sample)

    @property
    def whole(self) -> float:
        """Seconds of the whole study: the start and the end once, and the searches as often as it has them."""
        return self.seconds - self.searching + self.scale * self.searching

    @property
    def runs(self) -> int:
        """Runs of the sample."""
        return sum(each.runs for each in self.sample)

    @property
    def epochs(self) -> int:
        """Epochs of all runs of the sample."""
        return sum(each.epochs for each in self.sample)


def report(config: StudyConfig, own: Mapping[str, OwnTimes], plain: Mapping[str, PlainTimes]) -> str:
    """All that was measured."""
    rungs, of_asha = (", ".join(map(str, epochs)) for epochs in (config.rung_epochs, rungs_of(config)))
    lines = [
        "# Time to verdict",
        "",
        f"{', '.join(config.datasets)}; {', '.join(config.losses)}; {len(config.seeds)} seeds; {config.budget} "
        f"settings for each seed and loss; runs of {config.epochs} epochs, halved at {rungs}, with ASHA at "
        f"{of_asha}.",
        f"{_processor()}, {CORES} cores; Python {platform.python_version()}, "
        f"{', '.join(f'{name} {version(name)}' for name in _LIBRARIES)}.",
        "",
        *_times(own, plain),
        "",
        *_notes(own, plain),
    ]
    if {"a", "b"} <= own.keys():
        lines += ["", *_halving(own["a"].searches, own["b"].searches)]
    if plain and own:
        lines += ["", *_choices(own, plain)]
    return "\n".join(lines) + "\n"


def _times(own: Mapping[str, OwnTimes], plain: Mapping[str, PlainTimes]) -> list[str]:
    rows = []
    fastest = statistics.median(own["a"].seconds) if "a" in own else None
    for letter, each in own.items():
        middle = statistics.median(each.seconds)
        found = each.searches
        times = ", ".join(f"{seconds:.0f}" for seconds in each.seconds)
        how = f"the whole command: {times} s" if len(each.seconds) == 1 else f"the median of {times} s"
        rows.append(_time_row(letter, middle, found.runs, found.epochs, middle, fastest, how))
    for letter, sample in plain.items():
        share = f"{len(sample.sample)} of {round(len(sample.sample) * sample.scale)} searches"
        how = f"scaled from {share}, {sample.searching:.0f} s and {sample.runs} runs of {sample.epochs} epochs in all"
        runs, epochs = round(sample.runs * sample.scale), round(sample.epochs * sample.scale)
        rows.append(_time_row(letter, sample.whole, runs, epochs, sample.whole, fastest, how))
    head = (
        "way",
        "time",
        "against (a)",
        "runs",
        "member-epochs",
        "runs a minute",
        "member-epochs a minute",
        "measured",
    )
    return _table(head, rows)


def _time_row(
    letter: str, time: float, runs: int, epochs: int, seconds: float, fastest: float | None, how: str
) -> tuple[str, ...]:
    against = f"{time / fastest:.1f} x" if fastest else ""
    rates = (f"{60 * count / seconds:,.0f}" for count in (runs, epochs))
    return (f"({letter}) {WHAT[letter]}", duration(time), against, f"{runs:,}", f"{epochs:,}", *rates, how)


def _notes(own: Mapping[str, OwnTimes], plain: Mapping[str, PlainTimes]) -> Iterable[str]:
    if own:
        yield "- (a) and (b) are whole commands: from the start of Python to the printed report, in an empty folder."
    if "a" in own:
        yield "- In (a) a setting that goes on is trained anew, and is another run at each rung; all its epochs count."
    if plain:
        yield (
            "- (c) and (d) are estimates, and no verdict comes out of them: a sample of their searches was timed, each "
            "dataset and loss alike, and is multiplied; their start and end count once. They record fewer metrics "
            "(training loss, validation MAP@R, test MAP@R and recall@1), and only at rungs."
        )
        seeds = len({search.seed for each in plain.values() for search in each.sample})
        yield f"- Seeds in the sample: {seeds}. What a search takes, above all with ASHA, differs from seed to seed."


def _halving(halved: RecordedSearches, whole: RecordedSearches) -> list[str]:
    rows = [
        (
            each.dataset,
            each.loss,
            str(each.seeds),
            f"{each.first:.2f}",
            f"{each.second:.2f}",
            f"{each.mean:+.2f} [{each.low:+.2f}, {each.high:+.2f}]",
        )
        for each in differences(halved.chosen, whole.chosen)
    ]
    return [
        "## What halving saves, and what it costs",
        "",
        f"(a) trained {halved.epochs:,} member-epochs, (b) {whole.epochs:,}: {whole.epochs / halved.epochs:.2f} times "
        "as many (the goal is at least 3).",
        "",
        "Test MAP@R of the settings that each seed chose, in per cent, and (a) less (b) in points with its 95% "
        "interval over the seeds (the goal is within 1 point):",
        "",
        *_table(("dataset", "loss", "seeds", "(a)", "(b)", "difference"), rows),
    ]


def _choices(own: Mapping[str, OwnTimes], plain: Mapping[str, PlainTimes]) -> list[str]:
    """The outcomes of all ways on the seeds of the sample: a way that finds worse settings would be no match."""
    sample = next(iter(plain.values())).sample
    chosen = {letter: each.searches.chosen for letter, each in own.items()}
    for letter, times in plain.items():
        chosen[letter] = pd.Series({(each.dataset, each.loss, each.seed): each.map_at_r for each in times.sample})
    rows = []
    for (dataset, loss), searches in groupby(sample, key=lambda search: (search.dataset, search.loss)):
        keys = [(dataset, loss, search.seed) for search in searches]
        outcomes = [statistics.mean(float(each.get(key, math.nan)) for key in keys) for each in chosen.values()]
        rows.append((dataset, loss, str(len(keys)), *(f"{100 * outcome:.2f}" for outcome in outcomes)))
    letters = [f"({letter})" for letter in chosen]
    return [
        "## What each way chose for the seeds of the sample",
        "",
        "Test MAP@R in per cent, mean over these seeds:",
        "",
        *_table(("dataset", "loss", "seeds", *letters), rows),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _processor() -> str:
    """The processor's name where the system tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    load = f"load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else "load unknown"
    return f"{names[0] if names else platform.machine()}, {load}"
