"""Packs in training on their way to MLflow, which may be away, and whose records are the truth."""

from __future__ import annotations

import shutil
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from analysis.store.records import PackRecord
from study.recording.browsing.browse import write_watching
from study.recording.live.told import LivePack
from study.recording.mlflow_connection import open_sink
from study.recording.mlflow_sink import TrackingError, TrackingSink
from study.recording.recorder import Recorder
from tests.study.processes import wait_for
from tests.study.recording.live.news import news
from tests.study.recording.records import record, runs_of

PACK = record(["a", "b"])


@pytest.fixture
def uri(empty: Path, tmp_path: Path) -> str:
    uri = f"sqlite:///{shutil.copy(empty, tmp_path / 'mlflow.db')}"
    open_sink(uri, "s")
    return uri


def recorder_of(uri: str, tmp_path: Path) -> Recorder:
    opening: Future[TrackingSink] = Future()
    opening.set_result(open_sink(uri, "s", mark="here"))
    announce = partial(write_watching, uri=uri, study="s")
    again = partial(open_sink, uri, "s", mark="here")
    return Recorder(tmp_path / "records", opening, again, pause=0.0, announce=announce)


def states(uri: str) -> dict[str, str]:
    return {run.data.tags["key"]: run.info.status for run in runs_of(uri)}


def named(pack: PackRecord, name: str) -> PackRecord:
    return replace(pack, pack=name)


def test_a_pack_is_shown_while_it_trains_and_ends_with_its_record(uri: str, tmp_path: Path) -> None:
    recorder = recorder_of(uri, tmp_path)
    recorder.show(news(PACK, [0]))
    wait_for(lambda: states(uri) == dict.fromkeys("ab", "RUNNING"))
    recorder.show(news(PACK, [1]))
    wait_for(lambda: {run.data.metrics["train/loss"] for run in runs_of(uri)} == {0.5})
    recorder.add(PACK)
    wait_for(lambda: states(uri) == dict.fromkeys("ab", "FINISHED"))
    recorder.close()
    assert {run.data.metrics["train/loss"] for run in runs_of(uri)} == {0.2}


def test_where_to_see_runs_in_training_is_said_once_when_the_first_is_shown(uri: str, tmp_path: Path) -> None:
    recorder = recorder_of(uri, tmp_path)
    assert recorder.announcement() == ""
    recorder.show(news(PACK, [0]))
    said: list[str] = []
    wait_for(lambda: said.append(recorder.announcement()) or said[-1])  # type: ignore[func-returns-value]
    assert f"/#/experiments/{open_sink(uri, 's').experiment}/runs?" in said[-1]
    recorder.show(news(PACK, [1]))
    recorder.close()
    assert recorder.announcement() == ""


def test_a_pack_that_brings_no_result_is_shown_no_more(uri: str, tmp_path: Path) -> None:
    recorder, other = recorder_of(uri, tmp_path), named(record(["x"]), "other")
    recorder.show(news(PACK, [0]))
    recorder.show(news(other, [0]))
    wait_for(lambda: states(uri) == dict.fromkeys("abx", "RUNNING"))
    recorder.withdraw(PACK.pack)
    wait_for(lambda: states(uri) == {"x": "RUNNING"})
    recorder.withdraw("a pack that was never shown")
    recorder.close()  # a search whose time is up has packs in training
    assert states(uri) == {}


def test_an_error_that_ends_the_session_ends_what_is_shown(uri: str, tmp_path: Path) -> None:
    recorder = recorder_of(uri, tmp_path)
    recorder.show(news(PACK, [0]))
    wait_for(lambda: states(uri) == dict.fromkeys("ab", "RUNNING"))
    recorder.stop_on_error(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert states(uri) == {}


def test_runs_that_a_search_stops_end_at_once_and_go_if_they_went_on(uri: str, tmp_path: Path) -> None:
    def stopped(keys: list[str], epoch: int) -> PackRecord:
        whole = record(keys)
        runs = tuple(replace(run, tags={**run.tags, "stopped": f"epoch {epoch}"}) for run in whole.runs)
        return replace(whole, pack=f"stopped at {epoch}", runs=runs)

    recorder, rung = recorder_of(uri, tmp_path), stopped(["a3", "b3"], 3)
    recorder.show(news(rung, [0, 1]))
    wait_for(lambda: states(uri) == {"a3": "RUNNING", "b3": "RUNNING"})
    recorder.add(rung)
    wait_for(lambda: states(uri) == {"a3": "FINISHED", "b3": "FINISHED"})
    recorder.add(record(["a"]))  # has the seed and the setting of a3
    recorder.close()
    assert states(uri) == {"a": "FINISHED", "b3": "FINISHED"}


@pytest.mark.parametrize("unreachable", [True, False])
def test_an_mlflow_that_cannot_show_holds_the_records_all_the_same(
    uri: str, tmp_path: Path, unreachable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[LivePack] = []

    def show(self: TrackingSink, pack: LivePack) -> None:
        asked.append(pack)
        raise TrackingError("away", unreachable)

    monkeypatch.setattr(TrackingSink, "show", show)
    recorder = recorder_of(uri, tmp_path)
    recorder.show(news(PACK, [0]))
    wait_for(lambda: asked)
    recorder.add(PACK)
    recorder.close()
    assert states(uri) == dict.fromkeys("ab", "FINISHED")


def test_an_mlflow_that_comes_back_shows_everything(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, show = recorder_of(uri, tmp_path), TrackingSink.show
    recorder.show(news(PACK, [0, 1]))
    wait_for(lambda: states(uri) == dict.fromkeys("ab", "RUNNING"))
    failed: list[LivePack] = []

    def away(self: TrackingSink, pack: LivePack) -> None:
        failed.append(pack)
        raise TrackingError("away", unreachable=True)

    monkeypatch.setattr(TrackingSink, "show", away)
    recorder.show(news(PACK, [2]))
    wait_for(lambda: failed)
    monkeypatch.setattr(TrackingSink, "show", show)
    recorder.show(news(PACK, [3]))
    wait_for(lambda: {run.data.metrics["train/loss"] for run in runs_of(uri)} == {0.25})
    assert states(uri) == dict.fromkeys("ab", "RUNNING")
    recorder.add(PACK)
    recorder.close()
    assert states(uri) == dict.fromkeys("ab", "FINISHED")
