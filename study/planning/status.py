"""Puts into words how far a study is, and which loss leads so far."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import pandas as pd

from analysis.comparison.pairing import by_dataset, has_repeats
from analysis.comparison.settings import whole_runs
from analysis.comparison.tuning import chosen_runs
from analysis.metrics import SELECTION
from analysis.parameters import ARM
from analysis.plain_text import message_text
from analysis.store.files import study_folder
from analysis.store.loading import StudyNotFoundError, load_study
from study.config.model import StudyConfig
from study.planning.leaders import PROVISIONAL, leader_text
from study.progress import duration
from study.storage.standing import Standing, read_standing

_SILENT_SECONDS = 120.0  # without news of a session, after which it counts as dead


def status_lines(config: StudyConfig) -> list[str]:
    """How far a study is, line by line.

    Raises:
        ConflictingRecordsError: As `load_study` does; `TooManyRecordsError` too. Both are a `ValueError`.
        OSError: If the storage cannot be read.
    """
    folder = study_folder(config.storage, config.name)
    runs = _recorded(config)
    standing = standing_lines(read_standing(folder), len(runs), time.time())
    return [f"Study {config.name!r} in {folder}", *standing, *leader_lines(runs)]


def _recorded(config: StudyConfig) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report names what cannot be read
        try:
            return load_study(config.name, config.storage)
        except StudyNotFoundError:
            return pd.DataFrame()


def standing_lines(standing: Standing | None, recorded: int, now: float) -> Iterator[str]:
    """How far the last session has come.

    Args:
        standing: What it has written; None if there is nothing.
        recorded: How many runs of the study are recorded.
        now: In seconds since 1970.
    """
    if standing is None:
        yield f"  training   no session has been heard of; {recorded} runs are recorded"
        return
    heard = max(now - standing.updated, 0.0)
    if standing.ended:
        state = f"ended {duration(heard)} ago"
    elif heard > _SILENT_SECONDS:
        state = f"not heard of for {duration(heard)}: it was killed, or its machine sleeps; run the same command again"
    else:
        state = f"going on, heard of {duration(heard)} ago"
    yield f"  training   {state}"
    packs = f"{standing.packs} packs done" + ("" if standing.ended else f", {standing.running} running")
    runs = f"{standing.runs} of {standing.planned_runs} of that session"
    yield f"  runs       {runs}, {packs}; {recorded} recorded in all"
    if standing.runs_a_minute is not None:
        left = standing.seconds_left if not standing.ended else None
        rest = "" if left is None else f", about {duration(max(left - heard, 0.0))} left"
        yield f"  speed      {standing.runs_a_minute:.3g} runs a minute{rest}"
    for trouble in standing.troubles:
        yield f"  trouble    {message_text(trouble)}"


def leader_lines(runs: pd.DataFrame) -> Iterator[str]:
    """The best validation score of each dataset and loss so far: each seed's best, as a mean over the seeds."""
    first = True
    for dataset, rows in by_dataset(runs).items():
        whole = whole_runs(rows).reset_index(drop=True)
        if whole.empty or has_repeats(whole):
            continue
        scores = {str(arm): own[SELECTION].tolist() for arm, own in chosen_runs(whole).groupby(ARM)}
        if not scores:
            continue
        if first:
            yield f"  {PROVISIONAL}"
            first = False
        yield f"    {leader_text(dataset, scores)}"
