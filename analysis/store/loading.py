"""A study as a table: one row a run, with its parameters and the metrics it ended with.

The records under the storage folder and the runs in MLflow hold the same numbers, and give the same table.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.masking import hidden
from analysis.plain_text import name_text
from analysis.store.files import Folder
from analysis.store.mlflow_client import open_client, reason, search_all_runs
from analysis.store.records import BrokenRecordError, UnusableRecordsError, read_records, records_folder
from analysis.store.stored_runs import LastValues, PointTable, StoredRun, run_table


class StudyNotFoundError(LookupError):
    """There is no such study where it was looked for."""


class StudyWarning(UserWarning):
    """What is wrong with some runs of a study; they are left out."""


@dataclass(frozen=True, eq=False)
class StoredStudy:
    """All that is read of a study, once.

    Attributes:
        runs: As `load_study` gives them.
        points: Some metrics by epoch: columns ``key``, ``metric``, ``epoch``, ``value``, the first two categorical.
        sketches: Samples of a run's test embeddings in two dimensions (``x``, ``y``, ``label``), by key.
        warnings: What was left out, and why.
    """

    runs: pd.DataFrame
    points: pd.DataFrame
    sketches: Mapping[str, Mapping[str, list[float]]]
    warnings: tuple[str, ...] = ()


def is_study_name(name: str) -> bool:
    """Whether a study can be called so: its name is a folder, and an experiment in MLflow."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name)
    return plain is not None and not name.endswith((".db", "."))


def load_study(name: str, storage: str | Folder = "results", tracking_uri: str | None = None) -> pd.DataFrame:
    """Reads a study's runs.

    Args:
        name: The study's name.
        storage: Folder, or its address, that holds ``<name>/records``; read unless `tracking_uri` is given.
        tracking_uri: MLflow's address; reads the experiment `name` there instead.

    Returns:
        One row a run, in order of key: ``key``, the parameters (`analysis.parameters.PARAMETERS`), ``diverged`` (bool),
        ``stopped_at`` (the epoch at which successive halving stopped it; 0 for a run that was trained to its last
        epoch, and only such runs have test metrics), ``round_settings`` and ``round_whole`` (how many settings its
        search has tried once the round of this one is complete, and trained to the last epoch; 0 for what a search
        trains beside its budget, for grids and in older records), the tags ``search`` (how its setting was chosen:
        ``"grid"``, ``"random"``, ``"sobol"`` or ``"tpe"``), ``pack``, ``code_version``, ``data_digest``,
        ``inputs_digest`` (empty where `data_digest` determines the very inputs), ``device`` and ``test_part``
        (``"shared"`` if all seeds have one test part, ``"drawn"`` if each draws its own; ``"unknown"`` in older
        records, as the device may be), and a column for each metric with its last value, if that is finite.

    Raises:
        StudyNotFoundError: If `name` can be no study's, there is no such study, it has no runs, or MLflow or a remote
            storage does not answer.
        ConflictingRecordsError: If two records hold different results of one run; `ConflictingRunsError` if two of
            MLflow's runs do. Both are a `ValueError` that names the two.
        TooManyRecordsError: If the records are more than the limits allow; a `ValueError` too.

    Warns:
        StudyWarning: If something was left out: a record that is broken, a run that lacks a parameter or a tag.

    Examples:
        >>> runs = load_study("demo")
        >>> runs.groupby("loss")["test/map_at_r"].count().to_dict()
        {'contrastive': 52, 'triplet': 52}
    """
    study = read_study(name, storage, tracking_uri)
    for warning in study.warnings:
        warnings.warn(warning, StudyWarning, stacklevel=2)
    return study.runs


def read_study(
    name: str,
    storage: str | Folder = "results",
    tracking_uri: str | None = None,
    points_of: Collection[str] = (),
    sketches: bool = False,
) -> StoredStudy:
    """Reads a study, each record once.

    Args:
        name: As for `load_study`.
        storage: Likewise.
        tracking_uri: Where the runs are read instead. Points and sketches are in records alone, where there are any.
        points_of: Metrics whose points are wanted.
        sketches: Whether sketches are wanted.

    Raises:
        StudyNotFoundError: As for `load_study`.
        ValueError: Likewise.
    """
    if not is_study_name(name):
        raise StudyNotFoundError(
            f"{name[:100]!r} is no study name: use up to 100 letters, digits, '.', '_' and '-', "
            "a letter or digit first, no '.' or '.db' last"
        )
    if tracking_uri is None:
        source = hidden(f"{storage}/{name}")
        recorded = _from_records(records_folder(storage, name), points_of, sketches)
        found, warnings = recorded.runs, recorded.warnings
    else:
        source = hidden(tracking_uri)
        found, warnings = _from_mlflow(name, tracking_uri), []
        recorded = _Recorded.nothing()
        if points_of or sketches:
            recorded = _from_records(records_folder(storage, name), points_of, sketches)
    runs, unreadable = run_table(found)
    warnings = [hidden(text) for text in (*warnings, *unreadable)]
    if runs.empty:
        raise StudyNotFoundError(" ".join([f"no runs of a study {name!r} in {source}", *warnings]))
    return StoredStudy(runs, recorded.points.table(), recorded.sketches, tuple(warnings))


@dataclass(frozen=True)
class _Recorded:
    """What the records of a study hold."""

    runs: list[StoredRun]
    points: PointTable
    sketches: dict[str, Mapping[str, list[float]]]
    warnings: list[str]

    @classmethod
    def nothing(cls) -> _Recorded:
        return cls([], PointTable(), {}, [])


def _from_records(folder: Folder, points_of: Collection[str], sketches: bool) -> _Recorded:
    recorded = _Recorded.nothing()
    try:
        for record in read_records(folder):
            if isinstance(record, BrokenRecordError):
                recorded.warnings.append(str(record))
                continue
            last = LastValues.of(record)
            if last.strays:
                recorded.warnings.append(
                    f"Left out: {last.strays} points of record {name_text(record.pack)} that belong to none of its "
                    "runs."
                )
            for run in record.runs:
                recorded.runs.append(StoredRun(run.key, run.key, run.params, run.tags, last.by_run[run.key]))
                if sketches and run.sketch is not None:
                    recorded.sketches[run.key] = run.sketch
            if points_of:
                recorded.points.add(record, points_of)
    except UnusableRecordsError:
        raise
    except Exception as error:
        if isinstance(folder, Path):
            raise
        # The packages of remote file systems raise many kinds; the address is at fault.
        raise StudyNotFoundError(f"{hidden(str(folder))} cannot be read: {reason(error)}") from error
    return recorded


def _from_mlflow(name: str, tracking_uri: str) -> list[StoredRun]:
    try:
        runs = _finished_runs(name, tracking_uri)
    except Exception as error:  # stores raise many kinds; the address is at fault
        address = hidden(tracking_uri)
        raise StudyNotFoundError(f"MLflow at {address} does not answer: {reason(error)}") from error
    return [
        StoredRun(run.info.run_id, run.data.tags.get("key"), run.data.params, run.data.tags, run.data.metrics)
        for run in runs
    ]


def experiment_of(name: str, tracking_uri: str) -> str:
    """The id of a study's experiment in MLflow.

    Raises:
        StudyNotFoundError: If MLflow does not answer, or has none.
    """
    try:
        return str(open_client(tracking_uri).get_experiment_by_name(name).experiment_id)
    except Exception as error:  # stores raise many kinds; the address is at fault
        raise StudyNotFoundError(f"MLflow at {hidden(tracking_uri)} does not answer: {reason(error)}") from error


def _finished_runs(name: str, tracking_uri: str) -> list[Any]:
    client = open_client(tracking_uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return []
    finished = "tags.level = 'run' and attributes.status = 'FINISHED'"
    return search_all_runs(client, experiment.experiment_id, finished)
