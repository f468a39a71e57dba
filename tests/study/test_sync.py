"""MLflow is filled from the records of a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.store.records import PackRecord, records_folder, write_record
from study.recording.mlflow_sink import TrackingError
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


def test_a_broken_record_and_one_of_a_run_without_its_parameters_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = records_folder(tmp_path, "s")
    write_record(folder, record(["a"]))
    broken = write_record(folder, record(["b"]))
    broken.write_bytes(b"half")
    whole = record(["c"])
    foreign = write_record(folder, replace(whole, runs=(replace(whole.runs[0], params={"seed": 1}),)))
    assert sync(tmp_path) == 0
    captured = capsys.readouterr()
    assert "holds the 1 recorded runs of 's'; 2 broken records were left out" in captured.out
    assert sorted(captured.err.splitlines()) == sorted(
        [
            f"warning: {broken} is cut short or altered: move it away, and its runs are trained again",
            f"warning: {foreign} is no record of this version (a run has no parameter 'dataset'): move it away",
        ]
    )


class Refusing:
    """MLflow that takes no record."""

    def write(self, record: PackRecord) -> None:
        raise TrackingError("no such name")

    def remove(self, keys: object) -> None:
        """There is nothing to remove."""


def test_a_record_that_mlflow_refuses_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(records_folder(tmp_path, "s"), record(["a"]))
    monkeypatch.setattr("study.sync.connect_mlflow", lambda config: Refusing())
    assert sync(tmp_path) == 2
    assert capsys.readouterr().err == "error: MLflow refused 1 records, the first, p, with: no such name\n"


def test_a_study_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(tmp_path) == 2
    assert capsys.readouterr().err == f"error: no study 's' in {tmp_path}\n"
