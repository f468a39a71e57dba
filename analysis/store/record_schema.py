"""What a record may hold: checked on reading, for whoever can write the storage can write a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.metrics import LARGEST, is_in_range, metric_range
from analysis.parameters import (
    GRID,
    PARAMETERS,
    ROUND_TAGS,
    SEARCHES,
    WHOLE,
    Value,
    count_of_round,
    stopping_epoch,
)
from analysis.plain_text import name_text

_LONGEST_NAME = 200  # characters of a pack's id, a key and a metric's name
_LONGEST_VALUE = 5000  # of a parameter and a tag
_LARGEST_INTEGER = 2**53  # that JSON and every reader keep exactly
MOST_EPOCHS = 1_000_000  # of a run, as in a study's configuration
MOST_METRICS = 1000  # of a record; a run has some 40
_TYPES: Mapping[type, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}
_SKETCH = ("x", "y", "label")


class SchemaError(ValueError):
    """What is wrong with the content of a record, in a few words."""


@dataclass(frozen=True)
class RunDescription:
    """What is known of a run apart from its metrics.

    Attributes:
        key: Hash of everything that determines the run's result.
        params: The run's parameters by name.
        tags: Where it came from (pack, code version, data digest), ``diverged``, ``search``, ``stopped`` and
            `ROUND_TAGS`.
        sketch: Samples of its test embeddings in two dimensions, ``x``, ``y`` and ``label``; None where none was kept.
    """

    key: str
    params: Mapping[str, Value]
    tags: Mapping[str, str]
    sketch: Mapping[str, list[float]] | None = None

    @property
    def epochs(self) -> int:
        """How many epochs it has; each metric has a point in each of them, and in epoch 0, at most."""
        return int(self.params["epochs"])


@dataclass(frozen=True)
class PackDescription:
    """What a record says of its pack, checked."""

    pack: str
    started: int
    finished: int
    runs: tuple[RunDescription, ...]


def checked_description(content: object) -> PackDescription:
    """The description of a pack from JSON values.

    Raises:
        SchemaError: If something in it is missing, of another kind, or out of its range.
    """
    fields = _mapping(content, "the description")
    times = [_count(fields.get(name), name) for name in ("started", "finished")]
    runs = fields.get("runs")
    if not isinstance(runs, list):
        raise SchemaError("'runs' is no list")
    described = tuple(_run(run) for run in runs)
    if len({run.key for run in described}) < len(described):
        raise SchemaError("two runs have one key")
    return PackDescription(_text(fields.get("pack"), "'pack'", _LONGEST_NAME), times[0], times[1], described)


def most_points(runs: Sequence[RunDescription]) -> int:
    """How many points a record of some runs may have."""
    return MOST_METRICS * sum(run.epochs + 1 for run in runs)


def check_points(points: pd.DataFrame, runs: Sequence[RunDescription]) -> None:
    """Checks the points of a record: columns ``key`` and ``metric``, categorical, ``epoch`` and ``value``.

    Raises:
        SchemaError: If one is missing, infinite, out of the range of its metric or after its run's last epoch, or there
            twice; or if there are too many metrics.
    """
    if points.isna().to_numpy().any() or not np.isfinite(points["value"].to_numpy()).all():
        raise SchemaError("a point is not finite or not there")
    for column in ("key", "metric"):
        for name in points[column].cat.categories:
            _text(name, f"a {column}", _LONGEST_NAME)
    if len(points["metric"].cat.categories) > MOST_METRICS:
        raise SchemaError(f"it has more than {MOST_METRICS} metrics")
    if len(points):
        _check_epochs(points, {run.key: run.epochs for run in runs})
    extremes = points.groupby("metric", observed=True)["value"].agg(["min", "max"])
    for metric, low, high in zip(extremes.index, extremes["min"], extremes["max"], strict=True):
        for value in (low, high):
            if not is_in_range(str(metric), value):
                least, most = metric_range(str(metric))
                raise SchemaError(f"{metric} = {value:g} is not between {least:g} and {most:g}")


def _check_epochs(points: pd.DataFrame, epochs_of: Mapping[str, int]) -> None:
    """No point comes before epoch 0 or after its run's last epoch, and none is there twice."""
    epochs = points["epoch"].to_numpy()
    longest = max(epochs_of.values(), default=0)
    # A point of no run is left out later, and warned of.
    last = np.array([epochs_of.get(key, longest) for key in points["key"].cat.categories], np.int64)
    keys: npt.NDArray[np.int64] = points["key"].cat.codes.to_numpy().astype(np.int64)
    if epochs.min() < 0 or (epochs > last[keys]).any():
        raise SchemaError("an epoch is not one of its run's")
    # One number for each run, metric and epoch: sorted in less memory than a table needs to find its duplicates.
    places = keys * len(points["metric"].cat.categories) + points["metric"].cat.codes.to_numpy()
    places *= longest + 1
    places += epochs.astype(np.int64)
    places.sort()
    if (places[1:] == places[:-1]).any():
        raise SchemaError("a run has two values of one metric in one epoch")


def _run(content: object) -> RunDescription:
    fields = _mapping(content, "a run")
    key = _text(fields.get("key"), "a key", _LONGEST_NAME)
    params = {
        _text(name, "a parameter's name", _LONGEST_NAME): _value(value, name)
        for name, value in _mapping(fields.get("params"), "'params'").items()
    }
    _check_parameters(params)
    tags = {
        _text(name, "a tag's name", _LONGEST_NAME): _text(value, f"tag {name!r}", _LONGEST_VALUE)
        for name, value in _mapping(fields.get("tags"), "'tags'").items()
    }
    _check_search(tags)
    return RunDescription(key, params, tags, _sketch(fields.get("sketch")))


def _check_search(tags: Mapping[str, str]) -> None:
    if tags.get("search", GRID) not in SEARCHES:
        raise SchemaError(f"tag 'search' is none of {', '.join(SEARCHES)}")
    try:
        stopping_epoch(tags.get("stopped", WHOLE))
    except ValueError as error:
        raise SchemaError(f"tag 'stopped' is {error}") from None
    for name in ROUND_TAGS:
        try:
            count_of_round(tags.get(name, "0"))
        except ValueError as error:
            raise SchemaError(f"tag {name!r} is {error}") from None


def _check_parameters(params: Mapping[str, Value]) -> None:
    """Every parameter that readers rely on is there, under its name or an older one, or has a default."""
    for parameter in PARAMETERS:
        value = parameter.read(params)
        if value is None:
            raise SchemaError(f"a run has no parameter {parameter.name!r}")
        is_odd = not isinstance(value, _TYPES[parameter.kind])
        if parameter.kind in (int, float):
            is_odd = is_odd or isinstance(value, bool) or not 0 <= value <= LARGEST  # type: ignore[operator]
        if is_odd or (parameter.name == "epochs" and value > MOST_EPOCHS):  # type: ignore[operator]
            raise SchemaError(f"a run has the parameter {parameter.name!r} = {name_text(repr(value))}")


def _sketch(content: object) -> dict[str, list[float]] | None:
    if content is None:
        return None
    fields = _mapping(content, "a sketch")
    if set(fields) != set(_SKETCH):
        raise SchemaError("a sketch has other columns than x, y and label")
    columns = {}
    for name in _SKETCH:
        column = fields[name]
        if not isinstance(column, list) or not all(_is_number(value) for value in column):
            raise SchemaError(f"the {name} of a sketch are no numbers")
        columns[name] = column
    if len({len(column) for column in columns.values()}) > 1:
        raise SchemaError("the columns of a sketch have different lengths")
    if any(label < 0 or label != int(label) for label in columns["label"]):
        raise SchemaError("the labels of a sketch are no classes")
    return columns


def _mapping(content: object, what: str) -> Mapping[str, object]:
    if not isinstance(content, dict):
        raise SchemaError(f"{what} is no mapping")
    return content


def _text(content: object, what: str, longest: int) -> str:
    if not isinstance(content, str):
        raise SchemaError(f"{what} is no text")
    if len(content) > longest:
        raise SchemaError(f"{what} has more than {longest} characters")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise SchemaError(f"{what} has half a character, which no file and no database takes") from None
    return content


def _value(content: object, name: object) -> Value:
    if isinstance(content, bool):
        return content
    if isinstance(content, str):
        return _text(content, f"parameter {name!r}", _LONGEST_VALUE)
    if isinstance(content, (int, float)) and _is_number(content):
        return content
    raise SchemaError(f"parameter {name!r} is no text and no number")


def _count(content: object, name: str) -> int:
    if isinstance(content, int) and not isinstance(content, bool) and 0 <= content <= _LARGEST_INTEGER:
        return content
    raise SchemaError(f"{name!r} is no time")


def _is_number(content: object) -> bool:
    if isinstance(content, bool) or not isinstance(content, (int, float)):
        return False
    return abs(content) <= (LARGEST if isinstance(content, float) else _LARGEST_INTEGER)
