"""A study as a table: one row a run, with its parameters and the metrics it ended with.

The records under the storage folder and the runs in MLflow hold the same numbers, and give the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.mlflow_client import open_client, reason, search_all_runs
from analysis.records import BrokenRecordError, PackRecord, read_records, records_folder

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
_ONCE_WITHOUT = {"split": "closed", "augmented": False}  # what runs were before they recorded it
TAGS = ("pack", "code_version", "data_digest")


class StudyNotFoundError(LookupError):
    """There is no such study where it was looked for."""


def load_study(name: str, storage: str | Path = "results", tracking_uri: str | None = None) -> pd.DataFrame:
    """Reads a study's runs.

    Args:
        name: The study's name.
        storage: Folder that holds ``<name>/records``; read unless `tracking_uri` is given.
        tracking_uri: MLflow's address; reads the experiment `name` there instead.

    Returns:
        One row a run, in order of key: ``key``, the parameters (`PARAMETERS`), ``diverged`` (bool), the tags (`TAGS`),
        and a column for each metric with its last value. Warnings are in ``frame.attrs["warnings"]``.

    Raises:
        StudyNotFoundError: If there is no such study, it has no runs, or MLflow does not answer.

    Examples:
        >>> runs = load_study("demo")
        >>> runs.groupby("loss")["test/map_at_r"].count().to_dict()
        {'contrastive': 52, 'triplet': 52}
    """
    if Path(name).name != name:
        raise StudyNotFoundError(f"{name!r} is no study name: it must not hold path separators")
    if tracking_uri is None:
        frame = _from_records(records_folder(Path(storage), name))
        place = str(Path(storage) / name)
    else:
        frame = _from_mlflow(name, tracking_uri)
        place = tracking_uri
    if frame.empty:
        raise StudyNotFoundError(f"no runs of a study {name!r} in {place}")
    warnings = frame.attrs.get("warnings", [])
    described = ["key", *PARAMETERS, "diverged", *TAGS]
    metrics = sorted(column for column in frame.columns if column not in described)
    frame = (
        frame[[*described, *metrics]].sort_values("key", kind="stable").drop_duplicates("key").reset_index(drop=True)
    )
    frame.attrs["warnings"] = warnings
    return frame


def _from_records(folder: Path) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    for record in read_records(folder):
        if isinstance(record, BrokenRecordError):
            warnings.append(str(record))
        else:
            rows.extend(record_rows(record))
    frame = pd.DataFrame(rows)
    frame.attrs["warnings"] = warnings
    return frame


def record_rows(record: PackRecord) -> list[dict[str, Any]]:
    """A record's runs as rows: key, parameters, tags, and the last value of each metric."""
    last = record.points.sort_values("epoch", kind="stable").drop_duplicates(["key", "metric"], keep="last")
    by_run: dict[str, dict[str, float]] = {run.key: {} for run in record.runs}
    for key, metric, value in zip(last["key"], last["metric"], last["value"], strict=True):
        by_run[key][metric] = float(value)
    return [_row(run.key, run.params, run.tags, by_run[run.key]) for run in record.runs]


def _from_mlflow(name: str, tracking_uri: str) -> pd.DataFrame:
    try:
        runs = _finished_runs(name, tracking_uri)
    except Exception as error:  # stores raise many kinds; the address is at fault
        raise StudyNotFoundError(f"MLflow at {tracking_uri} does not answer: {reason(error)}") from error
    return pd.DataFrame(_row(run.data.tags["key"], run.data.params, run.data.tags, run.data.metrics) for run in runs)


def _finished_runs(name: str, tracking_uri: str) -> list[Any]:
    client = open_client(tracking_uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return []
    finished = "tags.level = 'run' and attributes.status = 'FINISHED'"
    return search_all_runs(client, experiment.experiment_id, finished)


def _row(key: str, params: Mapping[str, Any], tags: Mapping[str, str], metrics: Mapping[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {"key": key, "diverged": tags["diverged"] != "false"}
    for name, kind in PARAMETERS.items():
        value = params.get(name, _ONCE_WITHOUT.get(name, ""))
        row[name] = str(value).lower() == "true" if kind is bool else kind(value)
    row.update({name: tags[name] for name in TAGS})
    row.update(metrics)
    return row
