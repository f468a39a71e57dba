from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.parameters import Value
from analysis.store.record_schema import RunDescription
from analysis.store.records import BrokenRecordError, PackRecord, read_record, read_records, write_record

PARAMS: dict[str, Value] = {
    **{"dataset": "digits", "encoder": "mlp", "loss": "triplet", "miner": "all", "margin": 0.1, "lr": 1e-3, "seed": 3},
    **{"epochs": 2, "batch_size": 64, "sampler": "shuffle", "samples_per_class": 0, "embedding_dim": 8},
    "normalized": False,
}


def record(pack: str = "abc") -> PackRecord:
    points = pd.DataFrame(
        {
            "key": ["k1", "k1", "k2"],
            "metric": ["train/loss", "test/map_at_r", "train/loss"],
            "epoch": pd.array([1, 2, 1], dtype="int32"),
            "value": [0.1 + 0.2, 1 / 3, 5e-324],
        }
    )
    runs = tuple(RunDescription(key, PARAMS, {"diverged": "false"}) for key in ("k1", "k2"))
    return PackRecord(pack, 1_699_999_999_000, 1_700_000_000_000, runs, points)


def test_a_record_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    written = record()
    read = read_record(write_record(tmp_path, written))
    assert (read.pack, read.finished, read.runs) == (written.pack, written.finished, written.runs)
    assert read.points["value"].tolist() == written.points["value"].tolist()
    assert read.points["metric"].astype(str).tolist() == written.points["metric"].tolist()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(str(write_record(tmp_path_factory.mktemp("whole"), record())))


@settings(max_examples=1000, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), cut=st.booleans())
def test_a_record_that_was_cut_or_altered_anywhere_is_never_read(
    whole: Path, share: float, flip: int, cut: bool
) -> None:
    content = whole.read_bytes()
    position = int(share * len(content))
    altered = bytearray(content[:position] if cut else content)
    if not cut:
        altered[position] ^= flip
    path = whole.parent.parent / whole.name
    path.write_bytes(altered)
    with pytest.raises(BrokenRecordError, match="cut short or altered"):
        read_record(path)


def test_a_file_that_holds_something_else_under_its_own_digest_is_no_record(tmp_path: Path) -> None:
    content = b"something else"
    path = tmp_path / f"p-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    path.write_bytes(content)
    with pytest.raises(BrokenRecordError, match="no record of this version"):
        read_record(path)


def test_reading_a_folder_reports_broken_records_and_skips_half_written_ones(tmp_path: Path) -> None:
    write_record(tmp_path, record("good"))
    bad = write_record(tmp_path, record("bad"))
    bad.write_bytes(b"nonsense")
    (tmp_path / ".half.parquet.1.partial").write_bytes(b"half")
    kinds = [type(item).__name__ for item in read_records(tmp_path)]
    assert sorted(kinds) == ["BrokenRecordError", "PackRecord"]
    assert list(read_records(tmp_path / "absent")) == []


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(OSError, match=r"exists|directory"):
        write_record(blocked, record())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
