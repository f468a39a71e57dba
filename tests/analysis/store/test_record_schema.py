"""What a record must say of each run, and how much it may hold: else it is left out, and the rest is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.limits import VARIABLE
from analysis.parameters import PARAMETERS
from analysis.store import record_schema, records
from analysis.store.loading import read_study
from analysis.store.records import (
    BrokenRecordError,
    PackRecord,
    TooManyRecordsError,
    read_record,
    read_records,
    records_folder,
    write_record,
)
from tests.analysis.store.test_hostile_records import DESCRIPTION, RUN, forge
from tests.analysis.store.test_loading import described, recorded
from tests.analysis.store.test_records import PARAMS, record

REQUIRED = [parameter.name for parameter in PARAMETERS if parameter.default is None]


def with_params(params: dict[str, Any]) -> dict[str, Any]:
    return {**DESCRIPTION, "runs": [{**RUN, "params": params}]}


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_record_of_a_run_without_a_parameter_is_left_out(missing: str, tmp_path: Path) -> None:
    older = {"normalize": "normalized"}.get(missing, missing)
    params = {name: value for name, value in PARAMS.items() if name != older}
    with pytest.raises(BrokenRecordError, match=f"a run has no parameter '{missing}'"):
        read_record(forge(tmp_path, with_params(params)))


@pytest.mark.parametrize(
    "changed",
    [
        *({"margin": value} for value in ("wide", -1.0, True, 1.7e308)),
        *({"seed": value} for value in (-1, True, 3.0, "3")),
        *({"epochs": value} for value in (2.5, -1, 1_000_001)),
        *({"normalize": value} for value in ("perhaps", 1)),
        *({"augment": 1}, {"dataset": 5}, {"split": False}),
    ],
    ids=str,
)
def test_a_record_of_a_parameter_of_another_kind_is_left_out(changed: dict[str, Any], tmp_path: Path) -> None:
    (name,) = changed
    with pytest.raises(BrokenRecordError, match=f"parameter '{name}'( = | is no )"):
        read_record(forge(tmp_path, with_params({**PARAMS, **changed})))


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "\ud800"},
        {"params": {**PARAMS, "dataset": "\ud800"}},
        {"params": {**PARAMS, "\udfff": 1}},
        {"tags": {"diverged": "\ud800"}},
        {"tags": {"\ud800": "false"}},
    ],
    ids=lambda changed: ascii(changed)[-30:],
)
def test_a_record_of_texts_that_cannot_be_written_is_left_out(changed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BrokenRecordError, match="has half a character") as caught:
        read_record(forge(tmp_path, {**DESCRIPTION, "runs": [{**RUN, **changed}]}))
    assert str(caught.value).isprintable()


def test_a_huge_value_of_a_run_that_diverges_is_read(tmp_path: Path) -> None:
    path = forge(tmp_path, metric=["train/grad_norm"], value=[3.4e38])
    assert read_record(path).points["value"].tolist() == [3.4e38]


def test_a_run_may_have_a_point_of_each_metric_in_each_of_its_epochs_and_before(tmp_path: Path) -> None:
    points: dict[str, Any] = {"key": ["k1"] * 3, "metric": ["a"] * 3, "epoch": [0, 1, 2], "value": [0.5] * 3}
    assert len(read_record(forge(tmp_path, **points)).points) == 3


def test_each_run_of_a_record_has_its_own_last_epoch(tmp_path: Path) -> None:
    short, long = described("short", epochs=2), described("long", epochs=5)
    recorded(tmp_path, short, long, points=[("short", "test/map_at_r", 2, 0.5), ("long", "test/map_at_r", 5, 0.5)])
    assert read_study("s", tmp_path).warnings == ()
    recorded(tmp_path, described("late", epochs=2), long, points=[("late", "test/map_at_r", 5, 0.5)])
    (warning,) = read_study("s", tmp_path).warnings
    assert "an epoch is not one of its run's" in warning


def test_more_points_than_the_runs_can_have_are_refused_before_they_are_unfolded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = record_schema.MOST_METRICS * 3 + 1
    one = {name: pa.array([text] * count).dictionary_encode() for name, text in (("key", "k1"), ("metric", "a"))}
    path = forge(tmp_path, **one, epoch=[1] * count, value=[0.5] * count)
    monkeypatch.setattr(pq.ParquetFile, "read", None)
    with pytest.raises(BrokenRecordError, match="it has 3,001 points, more than its runs can have"):
        read_record(path)


def test_points_are_kept_in_narrow_columns(tmp_path: Path) -> None:
    path = forge(tmp_path, epoch=pa.array([1], pa.int64()), value=pa.array([0.5], pa.float32()))
    assert [str(kind) for kind in read_record(path).points.dtypes] == ["category", "category", "int32", "float64"]


def test_the_points_of_all_records_have_a_limit_that_a_user_can_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pack in ("a", "b"):
        write_record(records_folder(tmp_path, "s"), record(pack))
    monkeypatch.setattr(records, "MOST_STUDY_POINTS", 5)
    with pytest.raises(TooManyRecordsError, match=r"more than 5 points, 3 of them in a-.*parquet: move .* set STUDY_"):
        read_study("s", tmp_path)
    monkeypatch.setenv(VARIABLE, "2")
    assert len(list(read_records(records_folder(tmp_path, "s")))) == 2


def test_the_records_of_a_study_have_a_limit_that_a_user_can_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pack in ("a", "b"):
        write_record(tmp_path, record(pack))
    monkeypatch.setattr(records, "MOST_RECORDS", 1)
    with pytest.raises(TooManyRecordsError, match=f"has more than 1 records: move .* set {VARIABLE}=10"):
        list(read_records(tmp_path))
    monkeypatch.setenv(VARIABLE, "2")
    assert len(list(read_records(tmp_path))) == 2


def test_a_hundred_thousand_runs_of_the_demos_kind_are_within_the_limit() -> None:
    assert records.MOST_STUDY_POINTS > 100_000 * 427
    assert record_schema.most_points([described("k", epochs=50)]) > 427


def test_a_packs_points_are_checked_as_a_plain_loop_would(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    runs = tuple(described(f"k{number}", epochs=4) for number in range(3))
    for _ in range(30):
        drawn = [(f"k{rng.integers(3)}", f"m{rng.integers(4)}", int(rng.integers(5)), 0.5) for _ in range(6)]
        frame = pd.DataFrame(drawn, columns=["key", "metric", "epoch", "value"])
        path = write_record(tmp_path, PackRecord("p", 1, 2, runs, frame))
        if len(set(drawn)) < len(drawn):
            with pytest.raises(BrokenRecordError, match="two values of one metric in one epoch"):
                read_record(path)
        else:
            assert len(read_record(path).points) == len(drawn)
