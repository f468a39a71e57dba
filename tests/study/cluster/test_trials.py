"""Trials that fail or die, without Ray: Tune's hooks get a stand-in for a trial."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study.cluster.trials import MOST_DEATHS, MOST_TRIES, OtherVersionError, TrialCallback
from tests.study.cluster.listeners import Collected
from trainables.training.live_points import LiveReport

BY_MEMORY = "its machine ran out of memory, and Ray ended its process"
WITHOUT_A_TRACE = "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"
WITHOUT_THE_PROJECT = """The actor with name ImplicitFunc failed to import on the worker. This may be because [...]
Traceback (most recent call last):
    actor_class = pickle.loads(pickled_class)
ModuleNotFoundError: No module named 'trainables'
"""
WITH_ITS_NODE = "The actor is unavailable: The actor is temporarily unavailable: RpcError: Socket closed"
END = {"epoch": 3, "history": object(), "seconds": 1.0, "device": "cpu"}


class Trial(SimpleNamespace):
    """As much of Tune's trial as its hooks use."""

    def __init__(self, folder: Path) -> None:
        config = {"jobs": [(0, "first"), (1, "second")], "pieces": 1, "from_scratch": False}
        super().__init__(config=config, max_failures=MOST_DEATHS, error_file=str(folder / "error.txt"))

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    def dies(self, callback: TrialCallback, error: str) -> int:
        """In how many pieces it trains afterwards."""
        with Path(self.error_file).open("a") as file:
            file.write(f"Failure # 1 (occurred at some time)\n{error}\n")
        callback.on_trial_recover(0, [], self)
        return int(self.config["pieces"])

    def left(self) -> list[int]:
        """The positions of what it trains when it is started again."""
        return [position for position, _ in self.config["jobs"]]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.fixture
def callback() -> TrialCallback:
    return TrialCallback(Collected())


def test_a_training_that_fails_has_three_tries_and_the_last_starts_from_scratch(
    callback: TrialCallback, trial: Trial
) -> None:
    from_scratch = []
    for attempt in range(MOST_TRIES):
        from_scratch.append(trial.config["from_scratch"])
        callback.on_trial_result(0, [], trial, {"pack": 0, "error": f"ValueError: {attempt}"})
    assert from_scratch == [False, False, True]
    assert callback.failed == {0: "ValueError: 2"}


def test_a_pack_that_fails_or_is_recorded_is_left_out_when_its_trial_goes_on_with_the_others(
    callback: TrialCallback, trial: Trial
) -> None:
    for attempt in range(MOST_TRIES):
        assert trial.left() == [0, 1]
        callback.on_trial_result(0, [], trial, {"pack": 0, "error": f"ValueError: {attempt}"})
        assert trial.dies(callback, f"ray::train\nValueError: {attempt}\n") == 1
    assert trial.left() == [1]
    assert trial.max_failures == MOST_DEATHS
    callback.on_trial_result(0, [], trial, {"pack": 1, **END})
    assert trial.max_failures == 0, "nothing is left"


def test_a_death_counts_for_the_pack_in_training(trial: Trial) -> None:
    collected = Collected()
    callback = TrialCallback(collected)
    callback.on_trial_result(0, [], trial, {"pack": 0, **END})
    trial.dies(callback, WITH_ITS_NODE)
    assert trial.left() == [1]
    assert [position for position, _ in collected.troubles] == [1]
    assert callback.may_try_again(1)
    assert not callback.may_try_again(0)


def test_each_failure_and_each_death_is_told_once(trial: Trial) -> None:
    """A training that fails ends its process too."""
    collected = Collected()
    callback = TrialCallback(collected)
    callback.on_trial_result(0, [], trial, {"pack": 0, "error": "ValueError: 0"})
    trial.dies(callback, "ray::train\nValueError: 0\n")
    trial.dies(callback, BY_MEMORY)
    callback.on_trial_result(0, [], trial, {"pack": 0, "error": "ValueError: 1"})
    told = [what.partition(": ")[0] for _, what in collected.troubles]
    assert told == ["failed at try 1 of 3", "its process died", "failed at try 2 of 3"]


def test_a_death_by_memory_halves_the_pack_at_once(callback: TrialCallback, trial: Trial) -> None:
    assert [trial.dies(callback, BY_MEMORY) for _ in range(3)] == [2, 4, 8]


def test_a_death_without_a_trace_halves_the_pack_when_it_happens_again(callback: TrialCallback, trial: Trial) -> None:
    assert [trial.dies(callback, WITHOUT_A_TRACE) for _ in range(3)] == [1, 2, 4]


def test_a_node_that_dies_does_not_split_the_pack(callback: TrialCallback, trial: Trial) -> None:
    assert [trial.dies(callback, WITH_ITS_NODE) for _ in range(3)] == [1, 1, 1]
    assert trial.dies(callback, WITHOUT_A_TRACE) == 1
    assert trial.max_failures == MOST_DEATHS
    assert callback.failed == {}


def test_a_node_with_other_code_ends_the_study(callback: TrialCallback, trial: Trial) -> None:
    with pytest.raises(OtherVersionError, match="the node"):
        callback.on_trial_result(0, [], trial, {"pack": 0, "other_version": "the node 10.0.0.2 has version 1"})
    assert isinstance(callback.error, OtherVersionError)


def test_a_node_without_this_project_ends_the_study_at_the_first_try(callback: TrialCallback, trial: Trial) -> None:
    with pytest.raises(OtherVersionError, match=r"a node cannot import this project \(ModuleNotFoundError: No module"):
        trial.dies(callback, WITHOUT_THE_PROJECT)
    assert isinstance(callback.error, OtherVersionError)


def test_a_pack_that_is_recorded_is_not_trained_again_when_its_node_dies(trial: Trial) -> None:
    collected = Collected()
    callback = TrialCallback(collected)
    for position in (0, 0, 1, 1):
        callback.on_trial_result(0, [], trial, {"pack": position, **END})
    assert list(collected.histories) == [0, 1]
    assert trial.max_failures == 0


def test_what_a_pack_in_training_tells_goes_on_and_tune_keeps_none_of_it(callback: TrialCallback, trial: Trial) -> None:
    collected = Collected()
    result = {"pack": 0, "epoch": 3, "live": LiveReport((), 2.0, "cpu")}
    TrialCallback(collected).on_trial_result(0, [], trial, result)
    assert collected.lives == [(0, LiveReport((), 2.0, "cpu"))]
    assert result == {"pack": 0, "epoch": 3}
