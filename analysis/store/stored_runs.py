"""Tables of what is stored of each run."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.metrics import LARGEST, SELECTION, is_in_range, metric_range
from analysis.parameters import (
    GRID,
    PARAMETERS,
    ROUND_TAGS,
    SEARCHES,
    WHOLE,
    Parameter,
    count_of_round,
    stopping_epoch,
)
from analysis.plain_text import name_text
from analysis.store.records import PackRecord

TestPart = Literal["shared", "drawn"]
"""Whether all seeds of a dataset share one test part, or each draws its own."""

UNKNOWN_DEVICE = "unknown"
UNKNOWN_TEST_PART = "unknown"
TAGS = ("search", "pack", "code_version", "data_digest", "inputs_digest", "device", "test_part")
_DESCRIBED = ("key", *(parameter.name for parameter in PARAMETERS), "diverged", "stopped_at", *ROUND_TAGS, *TAGS)
# For runs that are older than the tag; inputs that `data_digest` determines have no digest of their own.
_TAGS_ONCE_WITHOUT = {
    **{"inputs_digest": "", "device": UNKNOWN_DEVICE, "test_part": UNKNOWN_TEST_PART},
    **{"search": GRID, "stopped": WHOLE, **dict.fromkeys(ROUND_TAGS, "0")},
}
_BOOLEANS = {"true": True, "false": False}
_NAMED = 5  # a warning names so many runs, and counts the others


# Runs of one key may differ in these: how they were asked for, what computed them, and with which others.
_OF_NO_RESULT = {"search", *ROUND_TAGS, "pack", "code_version", "inputs_digest", "device"}


class ConflictingRunsError(ValueError):
    """Two stored runs of one key have different results, and nobody can tell which are right."""


class _UnreadableRunError(ValueError):
    """A run without a parameter or tag that it needs, or with a value that cannot be."""


@dataclass(frozen=True)
class StoredRun:
    """A run as it is stored.

    Attributes:
        label: What a warning calls it.
        key: Its key; None if it has none.
        params: Its parameters, as text or as they are.
        tags: Its tags.
        metrics: Last value of each metric.
    """

    label: str
    key: str | None
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class LastValues:
    """The last value of each metric by run, and how many points belong to none of the record's runs."""

    by_run: Mapping[str, Mapping[str, float]]
    strays: int

    @classmethod
    def of(cls, record: PackRecord) -> LastValues:
        """Those of a record."""
        by_run: dict[str, dict[str, float]] = {run.key: {} for run in record.runs}
        known = record.points["key"].isin(list(by_run))
        points = record.points[known].sort_values("epoch", kind="stable")
        last = points.drop_duplicates(["key", "metric"], keep="last")
        for key, metric, value in zip(last["key"], last["metric"], last["value"], strict=True):
            by_run[key][metric] = float(value)
        return cls(by_run, int((~known).sum()))


def record_scores(record: PackRecord) -> dict[str, float]:
    """The validation score of each run of a record, by key; minus infinity for runs that diverged or have none."""
    last = LastValues.of(replace(record, points=record.points[record.points["metric"] == SELECTION])).by_run
    ended = {run.key for run in record.runs if run.tags.get("diverged") == "false"}
    return {key: last[key].get(SELECTION, -math.inf) if key in ended else -math.inf for key in last}


@dataclass(frozen=True)
class PointTable:
    """Points of many records, whose names are kept once each."""

    _keys: dict[str, int] = field(default_factory=dict)
    _metrics: dict[str, int] = field(default_factory=dict)
    _parts: list[pd.DataFrame] = field(default_factory=list)

    def add(self, record: PackRecord, metrics: Collection[str]) -> None:
        """Adds a record's points of some metrics."""
        points = record.points[record.points["metric"].isin(metrics)]
        self._parts.append(
            pd.DataFrame(
                {
                    "key": _codes(points["key"], self._keys),
                    "metric": _codes(points["metric"], self._metrics),
                    "epoch": points["epoch"].to_numpy(),
                    "value": points["value"].to_numpy(),
                }
            )
        )

    def table(self) -> pd.DataFrame:
        """All of them: columns ``key``, ``metric``, ``epoch``, ``value``, the first two categorical."""
        columns = ["key", "metric", "epoch", "value"]
        points = pd.concat(self._parts, ignore_index=True) if self._parts else pd.DataFrame(columns=columns)
        for column, names in (("key", self._keys), ("metric", self._metrics)):
            codes = points[column].astype("int32").tolist()
            points[column] = pd.Categorical.from_codes(codes, pd.Index(list(names), dtype=str))
        return points


def _codes(names: pd.Series, known: dict[str, int]) -> npt.NDArray[np.int32]:
    """A number for each name, the same in every record."""
    categories = names.astype("category").cat.remove_unused_categories().cat
    numbers = [known.setdefault(str(name), len(known)) for name in categories.categories]
    return np.array(numbers, dtype=np.int32)[categories.codes.to_numpy()]


def run_table(runs: Iterable[StoredRun]) -> tuple[pd.DataFrame, list[str]]:
    """A row for each readable run, in order of key, and a warning for each reason why others are left out.

    Raises:
        ConflictingRunsError: If two runs of one key have different results.
    """
    rows: dict[str, dict[str, Any]] = {}
    label_of: dict[str, str] = {}
    unreadable: dict[str, list[str]] = {}
    for run in runs:
        try:
            row = _row(run)
        except _UnreadableRunError as error:
            unreadable.setdefault(str(error), []).append(name_text(run.label))
            continue
        key = row["key"]
        if key in rows and _result(rows[key]) != _result(row):
            raise ConflictingRunsError(
                f"{label_of[key]} and {name_text(run.label)} hold different results of one run ({key}): delete one "
                "of them, the one that you do not trust"
            )
        rows.setdefault(key, row)
        label_of.setdefault(key, name_text(run.label))
    warnings = []
    for cause, labels in unreadable.items():
        named = ", ".join(labels[:_NAMED]) + (f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else "")
        warnings.append(f"Left out: {len(labels)} {'run' if len(labels) == 1 else 'runs'} with {cause} ({named}).")
    if not rows:
        return pd.DataFrame(columns=list(_DESCRIBED)), warnings
    table = pd.DataFrame(list(rows.values()))
    metrics = sorted(column for column in table.columns if column not in _DESCRIBED)
    table = table[[*_DESCRIBED, *metrics]].sort_values("key", kind="stable")
    return table.reset_index(drop=True), warnings


def _row(run: StoredRun) -> dict[str, Any]:
    params = {parameter.name: parameter.read(run.params) for parameter in PARAMETERS}
    tags = {**_TAGS_ONCE_WITHOUT, **run.tags}
    absent = ["tag 'key'"] if run.key is None else []
    absent += [f"tag {name!r}" for name in ("diverged", *TAGS) if name not in tags]
    absent += [f"parameter {name!r}" for name, value in params.items() if value is None]
    if absent:
        raise _UnreadableRunError(f"no {absent[0]}")
    row: dict[str, Any] = {name_text(name): value for name, value in run.metrics.items() if math.isfinite(value)}
    for metric, value in row.items():
        if not is_in_range(metric, value):
            least, most = metric_range(metric)
            raise _UnreadableRunError(f"{metric} = {value:g}, which is not between {least:g} and {most:g}")
    row.update(key=name_text(run.key), diverged=tags["diverged"] != "false")
    row.update({parameter.name: _typed(parameter, params[parameter.name]) for parameter in PARAMETERS})
    row.update({name: name_text(tags[name]) for name in TAGS})
    if row["search"] not in SEARCHES:
        raise _UnreadableRunError(f"tag 'search' = {name_text(repr(tags['search']))}")
    row["stopped_at"] = _stopped_at(tags["stopped"], row["epochs"])
    row.update({name: _count(name, tags[name]) for name in ROUND_TAGS})
    return row


def _stopped_at(tag: str, epochs: int) -> int:
    try:
        epoch = stopping_epoch(tag)
    except ValueError:
        raise _UnreadableRunError(f"tag 'stopped' = {name_text(repr(tag))}") from None
    if epoch and epoch >= epochs:
        raise _UnreadableRunError(f"tag 'stopped' = {tag!r} of {epochs} epochs")
    return epoch


def _count(name: str, tag: str) -> int:
    try:
        return count_of_round(tag)
    except ValueError:
        raise _UnreadableRunError(f"tag {name!r} = {name_text(repr(tag))}") from None


def _result(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _OF_NO_RESULT}


def _typed(parameter: Parameter, value: Any) -> Any:
    try:
        read = _BOOLEANS[str(value).lower()] if parameter.kind is bool else parameter.kind(value)
        odd = parameter.kind in (int, float) and (isinstance(value, bool) or not 0 <= read <= LARGEST)
        odd |= parameter.kind is int and isinstance(value, float) and read != value
    except (KeyError, OverflowError, TypeError, ValueError):
        odd = True
    if odd:
        raise _UnreadableRunError(f"parameter {parameter.name!r} = {name_text(repr(value))}")
    return name_text(read) if parameter.kind is str else read
