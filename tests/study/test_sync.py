"""MLflow is filled from the records of a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.store.records import records_folder, write_record
from study.sync import main
from tests.study.recording.records import record, runs_of


def sync(storage: Path) -> int:
    return main(["--name", "s", "--storage", str(storage)])


def test_mlflow_holds_each_run_once_however_often_it_is_filled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(records_folder(tmp_path, "s"), record(["a", "b"]))
    for _ in range(2):
        assert sync(tmp_path) == 0
        assert "holds the 2 recorded runs of 's'" in capsys.readouterr().out
    assert sorted(run.data.tags["key"] for run in runs_of(f"sqlite:///{tmp_path / 'mlflow.db'}")) == ["a", "b"]


def test_a_broken_record_is_left_out_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = records_folder(tmp_path, "s")
    write_record(folder, record(["a"]))
    broken = write_record(folder, record(["b"]))
    broken.write_bytes(b"half")
    assert sync(tmp_path) == 0
    captured = capsys.readouterr()
    assert "1 broken records were left out" in captured.out
    assert "warning: " in captured.err


def test_a_study_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(tmp_path) == 2
    assert capsys.readouterr().err == f"error: no study 's' in {tmp_path}\n"
