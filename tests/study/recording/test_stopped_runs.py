"""Runs that a search stopped early, in MLflow."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from analysis.store.records import PackRecord
from study.recording.mlflow_connection import open_sink
from study.recording.mlflow_sink import TrackingSink
from study.recording.recorder import Recorder
from study.recording.stopped_runs import StoppedRuns
from tests.study.recording.records import record, runs_of


def stopped(keys: list[str], epoch: int | None) -> PackRecord:
    """A record of one seed for each key, the first of seed 0, that was stopped at an epoch."""
    whole = record(keys)
    tag = "false" if epoch is None else f"epoch {epoch}"
    runs = tuple(replace(run, tags={**run.tags, "stopped": tag}) for run in whole.runs)
    return replace(whole, pack=f"stopped at {epoch}", runs=runs)


AT_6, AT_17, WHOLE = stopped(["a6", "b6", "c6"], 6), stopped(["a17", "b17"], 17), stopped(["a"], None)


def test_only_the_longest_run_of_a_setting_says_the_last_word() -> None:
    for order in ([AT_6, AT_17, WHOLE], [WHOLE, AT_6, AT_17], [AT_17, WHOLE, AT_6]):
        sorting = StoppedRuns()
        assert [each for each in order if not sorting.keeps(each)] == [WHOLE]
        found = {run.key: each for each in sorting.for_good() for run in each.runs}
        assert sorted(found) == ["b17", "c6"]
        assert set(found["c6"].points["key"]) == {"c6"}
        assert sorting.went_on() == {"a6", "a17", "b6"}


def test_records_of_studies_without_halving_wait_for_nothing() -> None:
    sorting = StoppedRuns()
    assert not sorting.keeps(record(["a", "b"]))
    assert (sorting.for_good(), sorting.went_on()) == ([], set())


def test_mlflow_holds_each_setting_once_also_if_it_went_on_in_a_later_session(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"

    def session(*records: PackRecord) -> dict[str, str]:
        opening: Future[TrackingSink] = Future()
        opening.set_result(open_sink(uri, "s"))
        recorder = Recorder(tmp_path / "records", opening, lambda: open_sink(uri, "s"))
        for each in records:
            recorder.add_recorded(each)
        recorder.close()
        return {run.data.tags["key"]: run.data.tags["stopped"] for run in runs_of(uri)}

    assert session(AT_6) == dict.fromkeys(["a6", "b6", "c6"], "epoch 6")
    assert session(AT_6, AT_17, WHOLE) == {"a": "false", "b17": "epoch 17", "c6": "epoch 6"}
