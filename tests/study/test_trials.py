"""What is made of trials that fail or die, without Ray: a trial is what Tune's hooks get."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study.trials import DEATHS, TRIES, Listener, OtherVersionError

BY_MEMORY = "its machine ran out of memory, and Ray ended its process"
WITHOUT_A_TRACE = "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"
WITH_ITS_NODE = "The actor is unavailable: The actor is temporarily unavailable: RpcError: Socket closed"


class Trial(SimpleNamespace):
    """As much of Tune's trial as its hooks use."""

    def __init__(self, folder: Path) -> None:
        config = {"pack": 0, "pieces": 1, "anew": False}
        super().__init__(config=config, max_failures=DEATHS, error_file=str(folder / "error.txt"))

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    def dies(self, listener: Listener, error: str) -> int:
        """In how many pieces it trains afterwards."""
        with Path(self.error_file).open("a") as file:
            file.write(f"Failure # 1 (occurred at some time)\n{error}\n")
        listener.on_trial_recover(0, [], self)
        return int(self.config["pieces"])


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.fixture
def listener() -> Listener:
    return Listener(lambda *_: None, lambda *_: None)


def test_a_training_that_fails_has_three_tries_and_the_last_begins_anew(listener: Listener, trial: Trial) -> None:
    anew = []
    for attempt in range(TRIES):
        anew.append(trial.config["anew"])
        listener.on_trial_result(0, [], trial, {"error": f"ValueError: {attempt}"})
    assert anew == [False, False, True]
    assert trial.max_failures == 0
    assert listener.failed == {0: "ValueError: 2"}


def test_a_death_by_memory_halves_the_pack_at_once(listener: Listener, trial: Trial) -> None:
    assert [trial.dies(listener, BY_MEMORY) for _ in range(3)] == [2, 4, 8]


def test_a_death_without_a_trace_halves_the_pack_when_it_comes_again(listener: Listener, trial: Trial) -> None:
    assert [trial.dies(listener, WITHOUT_A_TRACE) for _ in range(3)] == [1, 2, 4]


def test_a_node_that_dies_leaves_the_pack_whole(listener: Listener, trial: Trial) -> None:
    assert [trial.dies(listener, WITH_ITS_NODE) for _ in range(3)] == [1, 1, 1]
    assert trial.dies(listener, WITHOUT_A_TRACE) == 1
    assert trial.max_failures == DEATHS
    assert listener.failed == {}


def test_a_node_with_other_code_ends_the_study(listener: Listener, trial: Trial) -> None:
    with pytest.raises(OtherVersionError, match="the node"):
        listener.on_trial_result(0, [], trial, {"other_version": "the node 10.0.0.2 has version 1"})
    assert isinstance(listener.error, OtherVersionError)


def test_a_pack_that_is_recorded_is_not_trained_again_when_its_node_dies(trial: Trial) -> None:
    recorded: list[int] = []
    listener = Listener(lambda *_: None, lambda position, *_: recorded.append(position))
    for _ in range(2):
        listener.on_trial_result(0, [], trial, {"epoch": 3, "history": object(), "seconds": 1.0, "device": "cpu"})
    assert recorded == [0]
    assert trial.max_failures == 0
