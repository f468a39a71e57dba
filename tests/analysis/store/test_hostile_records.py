"""What strangers may put among the records: each is left out with one warning, and the rest is read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import load_study
from analysis.limits import VARIABLE, LimitsError
from analysis.store import records
from analysis.store.loading import read_study
from analysis.store.records import (
    BrokenRecordError,
    ConflictingRecordsError,
    read_record,
    read_records,
    records_folder,
    write_record,
)
from tests.analysis.store.test_loading import described, recorded
from tests.analysis.store.test_records import PARAMS, record

RUN = {"key": "k1", "params": PARAMS, "tags": {"diverged": "false"}, "sketch": None}
DESCRIPTION: dict[str, Any] = {"pack": "p", "started": 1, "finished": 2, "runs": [RUN]}
POINTS = {"key": ["k1"], "metric": ["test/map_at_r"], "epoch": [1], "value": [0.5]}


def forge(folder: Path, description: object = None, name: str = "p", **columns: Any) -> Path:
    """A record of one's own under its own digest; `description` may be JSON text."""
    text = description if isinstance(description, str) else json.dumps(description or DESCRIPTION)
    table = pa.table({name: values for name, values in {**POINTS, **columns}.items() if values is not None})
    return put(folder, table.replace_schema_metadata({b"runs": text.encode()}), name)


def put(folder: Path, table: pa.Table, name: str = "p") -> Path:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return put_bytes(folder, buffer.getvalue(), name)


def put_bytes(folder: Path, content: bytes, name: str = "p") -> Path:
    path = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_record_that_the_others_differ_from_is_read(tmp_path: Path) -> None:
    assert [run.key for run in read_record(forge(tmp_path)).runs] == ["k1"]


@pytest.mark.parametrize(
    "description",
    [
        "[" * 100_000,
        '{"runs": ' + "9" * 10_000 + "}",
        "[]",
        "{}",
        {**DESCRIPTION, "runs": None},
        {**DESCRIPTION, "runs": ["k1"]},
        {**DESCRIPTION, "pack": ["p"]},
        {**DESCRIPTION, "pack": "p" * 10_000},
        {**DESCRIPTION, "started": "now"},
        {**DESCRIPTION, "finished": -1},
        {**DESCRIPTION, "finished": 10**400},
        {**DESCRIPTION, "runs": [RUN, RUN]},
        {**DESCRIPTION, "runs": [{**RUN, "key": ["k1"]}]},
        {**DESCRIPTION, "runs": [{**RUN, "tags": None}]},
        {**DESCRIPTION, "runs": [{**RUN, "tags": {"diverged": False}}]},
        {**DESCRIPTION, "runs": [{**RUN, "params": None}]},
        {**DESCRIPTION, "runs": [{**RUN, "params": {**PARAMS, "dataset": ["digits"]}}]},
        {**DESCRIPTION, "runs": [{**RUN, "params": {**PARAMS, "margin": float("nan")}}]},
        {**DESCRIPTION, "runs": [{**RUN, "params": {**PARAMS, "seed": 10**400}}]},
        {**DESCRIPTION, "runs": [{**RUN, "sketch": [1, 2]}]},
        {**DESCRIPTION, "runs": [{**RUN, "sketch": {"x": [1.0]}}]},
        {**DESCRIPTION, "runs": [{**RUN, "sketch": {"x": [1.0], "y": [1.0, 2.0], "label": [0]}}]},
        {**DESCRIPTION, "runs": [{**RUN, "sketch": {"x": ["a"], "y": [1.0], "label": [0]}}]},
        {**DESCRIPTION, "runs": [{**RUN, "sketch": {"x": [float("inf")], "y": [1.0], "label": [0]}}]},
        {**DESCRIPTION, "runs": [{**RUN, "sketch": {"x": [-1.7e308], "y": [1.0], "label": [0]}}]},
        {**DESCRIPTION, "runs": [{**RUN, "sketch": {"x": [1.0], "y": [1.0], "label": [-1]}}]},
    ],
    ids=lambda content: str(content)[-60:],
)
def test_a_description_of_another_kind_is_no_record(description: object, tmp_path: Path) -> None:
    with pytest.raises(BrokenRecordError, match=r"is no record of this version \(.+\): move it away$"):
        read_record(forge(tmp_path, description))


@pytest.mark.parametrize(
    "columns",
    [
        {"value": None},
        {"metric": None},
        {"more": [1]},
        {"key": [["k1"]]},
        {"key": [1]},
        {"key": [None]},
        {"metric": [b"test/map_at_r"]},
        {"epoch": ["one"]},
        {"epoch": [1.5]},
        {"epoch": [-1]},
        {"epoch": [2**40]},
        {"epoch": [3]},
        {"epoch": [None]},
        {"value": ["half"]},
        {"value": [None]},
        {"value": [float("nan")]},
        {"metric": ["train/loss"], "value": [float("inf")]},
        {"value": [943646.07]},
        {"metric": ["train/loss"], "value": [1.7e308]},
        {"metric": ["train/grad_norm"], "value": [1.7e308]},
        {"metric": ["unknown"], "value": [-1.7e308]},
        {"value": [-0.2]},
        {"metric": ["val/recall_at_4"], "value": [1.1]},
        {"metric": ["train/active_negatives_mean"], "value": [3.0]},
        {"metric": ["test/intra_variance"], "value": [-3.0]},
        {"metric": ["train/loss_decay_censored"], "value": [2.0]},
        {"metric": ["x" * 10_000]},
        {"key": ["k1", "k1"], "metric": ["a", "a"], "epoch": [1, 1], "value": [0.1, 0.2]},
    ],
    ids=lambda columns: str(columns)[:60],
)
def test_points_of_another_kind_or_out_of_range_are_no_record(columns: dict[str, Any], tmp_path: Path) -> None:
    if set(columns) == {"key"} and columns["key"] == [None]:
        columns = {"key": pa.array([None], pa.string())}
    with pytest.raises(BrokenRecordError, match=r"is no record of this version \(.+\): move it away$"):
        read_record(forge(tmp_path, **columns))


def test_what_is_no_parquet_and_parquet_without_a_description_are_no_records(tmp_path: Path) -> None:
    for path in (put_bytes(tmp_path, b"PAR1" * 10), put_bytes(tmp_path, b""), put(tmp_path, pa.table(POINTS))):
        with pytest.raises(BrokenRecordError, match="is no record of this version"):
            read_record(path)


def test_one_bad_record_is_one_warning_and_the_rest_is_read(tmp_path: Path) -> None:
    recorded(tmp_path, described("good"))
    bad = forge(records_folder(tmp_path, "s"), "[" * 100_000, name="a\x1b[2J\nb")  # type: ignore[arg-type]
    study = read_study("s", tmp_path)
    assert study.runs["key"].tolist() == ["good"]
    (warning,) = study.warnings
    assert bad.name.rpartition("-")[2] in warning
    assert warning.isprintable()


def test_many_points_in_a_small_file_are_refused_before_they_are_unfolded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 1_000_000
    repeated = {
        name: pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array(["k" * 1000]))
        for name in ("key", "metric")
    }
    path = forge(tmp_path, **repeated, epoch=[1] * count, value=[0.5] * count)
    assert path.stat().st_size < 500_000
    monkeypatch.setattr(records, "MOST_POINTS", count - 1)
    monkeypatch.setattr(pq.ParquetFile, "read", None)
    with pytest.raises(BrokenRecordError, match=rf"has 1,000,000 points, more than 999,999: .* set {VARIABLE}=10"):
        read_record(path)


@pytest.mark.parametrize(
    "limit", ["MOST_BYTES", "MOST_UNCOMPRESSED_BYTES", "MOST_ROW_GROUPS", "MOST_DESCRIPTION_BYTES"]
)
def test_each_size_of_a_record_has_a_limit_that_a_user_can_raise(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = forge(tmp_path)
    monkeypatch.setattr(records, limit, 0 if limit == "MOST_ROW_GROUPS" else 50)
    with pytest.raises(BrokenRecordError, match=f"set {VARIABLE}=10"):
        read_record(path)
    monkeypatch.setattr(records, limit, 50 if limit != "MOST_ROW_GROUPS" else 1)
    monkeypatch.setenv(VARIABLE, "100000")
    assert read_record(path).pack == "p"
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(LimitsError, match=f"{VARIABLE} is the factor .* not 'much'"):
        read_record(path)


def test_a_pipe_a_device_and_a_folder_among_the_records_are_left_out(tmp_path: Path) -> None:
    write_record(tmp_path, record("good"))
    os.mkfifo(tmp_path / "pipe-0000000000000000.parquet")
    (tmp_path / "zero-0000000000000000.parquet").symlink_to("/dev/zero")
    (tmp_path / "folder-0000000000000000.parquet").mkdir()
    broken = [str(item) for item in read_records(tmp_path) if isinstance(item, BrokenRecordError)]
    assert [re.search("is no regular file|is a link", text) is not None for text in broken] == [True] * 3


def test_what_helps_against_a_link_is_not_a_higher_limit(tmp_path: Path) -> None:
    path = tmp_path / "s" / "records" / "a-0000000000000000.parquet"
    path.parent.mkdir(parents=True)
    path.symlink_to("/dev/zero")
    with pytest.raises(BrokenRecordError, match=r"parquet is a link, .*: put what it leads to in its place") as caught:
        read_record(path)
    assert VARIABLE not in str(caught.value)
    path.unlink()
    path.parent.rename(tmp_path / "moved")
    path.parent.symlink_to(tmp_path / "moved")
    with pytest.raises(BrokenRecordError, match=r"s/records is a link, .*: put what it leads to in its place"):
        read_record(path)


def test_a_socket_among_the_records_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(tmp_path, record("good"))
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket-0000000000000000.parquet")
        broken = [str(item) for item in read_records(tmp_path) if isinstance(item, BrokenRecordError)]
    assert [re.search("is no regular file", text) is not None for text in broken] == [True]


def test_two_records_of_one_run_that_differ_are_an_error_that_names_both(tmp_path: Path) -> None:
    folder = records_folder(tmp_path, "s")
    recorded(tmp_path, described("run"))
    (real,) = folder.iterdir()
    forged = {"key": "run", "params": dict(described("run").params), "tags": dict(described("run").tags)}
    first = forge(Path(str(folder)), {**DESCRIPTION, "runs": [forged]}, name="a", key=["run"], epoch=[5], value=[0.99])
    with pytest.raises(ConflictingRecordsError, match="hold different results of one run") as caught:
        load_study("s", tmp_path)
    assert all(path.name in str(caught.value) for path in (real, first))


def test_a_run_that_was_recorded_twice_with_the_same_results_is_read_once(tmp_path: Path) -> None:
    runs = described("run"), described("other")
    recorded(tmp_path, *runs)
    points = pd.DataFrame([("run", "test/map_at_r", 5, 0.5)], columns=["key", "metric", "epoch", "value"])
    again = records.PackRecord("again", 5, 6, runs[:1], points)
    write_record(records_folder(tmp_path, "s"), again)
    assert load_study("s", tmp_path)["key"].tolist() == ["other", "run"]


def test_a_whole_record_of_numbers_of_other_widths_is_read(tmp_path: Path) -> None:
    path = forge(tmp_path, epoch=pa.array([1], pa.uint16()), value=pa.array([0.5], pa.float32()))
    assert read_record(path).points["value"].tolist() == [0.5]
