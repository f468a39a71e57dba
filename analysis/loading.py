"""A study as a table: one row a run, with its parameters and the metrics it ended with.

The records under the storage folder and the runs in MLflow hold the same numbers, and give the same table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.mlflow_client import open_client, reason, search_all_runs, without_passwords
from analysis.records import BrokenRecordError, Folder, PackRecord, read_records, records_folder

PARAMETERS: Mapping[str, type] = {
    "dataset": str,
    "encoder": str,
    "split": str,
    "loss": str,
    "miner": str,
    "margin": float,
    "lr": float,
    "seed": int,
    "epochs": int,
    "batch_size": int,
    "sampler": str,
    "samples_per_class": int,
    "embedding_dim": int,
    "normalized": bool,
    "augmented": bool,
}
UNKNOWN_DEVICE = "unknown"
# What runs were before they recorded it.
_ONCE_WITHOUT = {"split": "closed", "augmented": False, "device": UNKNOWN_DEVICE}
TAGS = ("pack", "code_version", "data_digest", "device")
_BOOLEANS = {"true": True, "false": False}
_NAMED = 5  # runs that a warning names before it only counts them


class StudyNotFoundError(LookupError):
    """There is no such study where it was looked for."""


class _UnreadableRunError(ValueError):
    """A run that does not say what it is."""


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
        One row a run, in order of key: ``key``, the parameters (`PARAMETERS`), ``diverged`` (bool), the tags (`TAGS`),
        and a column for each metric with its last value, if that is finite. Warnings are in
        ``frame.attrs["warnings"]``: a run that lacks a parameter or a tag is left out with one.

    Raises:
        StudyNotFoundError: If `name` can be no study's, there is no such study, it has no runs, or MLflow or a remote
            storage does not answer.

    Examples:
        >>> runs = load_study("demo")
        >>> runs.groupby("loss")["test/map_at_r"].count().to_dict()
        {'contrastive': 52, 'triplet': 52}
    """
    if not is_study_name(name):
        raise StudyNotFoundError(
            f"{name[:100]!r} is no study name: use up to 100 letters, digits, '.', '_' and '-', "
            "a letter or digit first, no '.' or '.db' last"
        )
    if tracking_uri is None:
        folder = records_folder(storage, name)
        try:
            rows, warnings = _from_records(folder)
        except Exception as error:
            if isinstance(folder, Path):
                raise
            # The packages of remote file systems raise many kinds; the address is at fault.
            raise StudyNotFoundError(f"{folder} cannot be read: {reason(error)}") from error
        place = f"{storage}/{name}"
    else:
        rows, warnings = _from_mlflow(name, tracking_uri)
        place = without_passwords(tracking_uri)
    if not rows:
        raise StudyNotFoundError(" ".join([f"no runs of a study {name!r} in {place}", *warnings]))
    frame = pd.DataFrame(rows)
    described = ["key", *PARAMETERS, "diverged", *TAGS]
    metrics = sorted(column for column in frame.columns if column not in described)
    frame = (
        frame[[*described, *metrics]].sort_values("key", kind="stable").drop_duplicates("key").reset_index(drop=True)
    )
    frame.attrs["warnings"] = warnings
    return frame


@dataclass(frozen=True)
class _Found:
    """A run as it was found; `label` is what a warning calls it, `key` None where it does not tell."""

    label: str
    key: str | None
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


def _from_records(folder: Folder) -> tuple[list[dict[str, Any]], list[str]]:
    found: list[_Found] = []
    warnings: list[str] = []
    for record in read_records(folder):
        if isinstance(record, BrokenRecordError):
            warnings.append(str(record))
            continue
        last, strays = _last_values(record)
        if strays:
            warnings.append(f"Left out: {strays} points of record {record.pack} that belong to none of its runs.")
        found += [_Found(run.key, run.key, run.params, run.tags, last[run.key]) for run in record.runs]
    rows, unreadable = _rows(found)
    return rows, warnings + unreadable


def _last_values(record: PackRecord) -> tuple[dict[str, dict[str, float]], int]:
    """The last value of each metric by run, and how many points belong to none of the record's runs."""
    by_run: dict[str, dict[str, float]] = {run.key: {} for run in record.runs}
    known = record.points["key"].isin(list(by_run))
    points = record.points[known].sort_values("epoch", kind="stable")
    last = points.drop_duplicates(["key", "metric"], keep="last")
    for key, metric, value in zip(last["key"], last["metric"], last["value"], strict=True):
        by_run[key][metric] = float(value)
    return by_run, int((~known).sum())


def _from_mlflow(name: str, tracking_uri: str) -> tuple[list[dict[str, Any]], list[str]]:
    try:
        runs = _finished_runs(name, tracking_uri)
    except Exception as error:  # stores raise many kinds; the address is at fault
        place = without_passwords(tracking_uri)
        raise StudyNotFoundError(f"MLflow at {place} does not answer: {reason(error)}") from error
    return _rows(
        _Found(run.info.run_id, run.data.tags.get("key"), run.data.params, run.data.tags, run.data.metrics)
        for run in runs
    )


def _finished_runs(name: str, tracking_uri: str) -> list[Any]:
    client = open_client(tracking_uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return []
    finished = "tags.level = 'run' and attributes.status = 'FINISHED'"
    return search_all_runs(client, experiment.experiment_id, finished)


def _rows(found: Iterable[_Found]) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each run that can be read, and a warning for each reason why others cannot."""
    rows: list[dict[str, Any]] = []
    unreadable: dict[str, list[str]] = {}
    for run in found:
        try:
            rows.append(_row(run))
        except _UnreadableRunError as error:
            unreadable.setdefault(str(error), []).append(run.label)
    warnings = []
    for cause, labels in unreadable.items():
        named = ", ".join(labels[:_NAMED]) + (f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else "")
        warnings.append(f"Left out: {len(labels)} {'run' if len(labels) == 1 else 'runs'} with {cause} ({named}).")
    return rows, warnings


def _row(run: _Found) -> dict[str, Any]:
    absent = ["tag 'key'"] if run.key is None else []
    absent += [f"tag {name!r}" for name in ("diverged", *TAGS) if name not in run.tags and name not in _ONCE_WITHOUT]
    absent += [f"parameter {name!r}" for name in PARAMETERS if name not in run.params and name not in _ONCE_WITHOUT]
    if absent:
        raise _UnreadableRunError(f"no {absent[0]}")
    row: dict[str, Any] = {name: value for name, value in run.metrics.items() if math.isfinite(value)}
    row.update(key=run.key, diverged=run.tags["diverged"] != "false")
    for name, kind in PARAMETERS.items():
        row[name] = _parameter(name, kind, run.params.get(name, _ONCE_WITHOUT.get(name)))
    row.update({name: run.tags.get(name, _ONCE_WITHOUT.get(name)) for name in TAGS})
    return row


def _parameter(name: str, kind: type, value: Any) -> Any:
    try:
        read = _BOOLEANS[str(value).lower()] if kind is bool else kind(value)
    except (KeyError, OverflowError, TypeError, ValueError):
        raise _UnreadableRunError(f"parameter {name!r} = {value!r}") from None
    if kind is float and not math.isfinite(read):
        raise _UnreadableRunError(f"parameter {name!r} = {value!r}")
    return read
