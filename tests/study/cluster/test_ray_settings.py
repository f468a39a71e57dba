"""What the study changes of Ray."""

from __future__ import annotations

import os

import pytest
from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

from study.cluster.ray_settings import OUT_OF_MEMORY, restart_after_out_of_memory, set_environment


def test_variables_that_the_user_has_set_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "1")
    monkeypatch.delenv("TUNE_GLOBAL_CHECKPOINT_S", raising=False)
    set_environment()
    assert (os.environ["RAY_AIR_NEW_OUTPUT"], os.environ["TUNE_GLOBAL_CHECKPOINT_S"]) == ("1", "3600")


def test_tune_takes_a_death_by_memory_for_the_death_of_an_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Exception] = []
    monkeypatch.setattr(RayActorManager, "_actor_task_failed", lambda manager, task, error: seen.append(error))
    unpatched = RayActorManager._actor_task_failed
    other = ValueError("another error")
    with restart_after_out_of_memory():
        for error in (OutOfMemoryError("killed"), other):
            RayActorManager._actor_task_failed(None, None, error)
    assert RayActorManager._actor_task_failed is unpatched
    assert isinstance(seen[0], RayActorError)
    assert OUT_OF_MEMORY in str(seen[0])
    assert seen[1] is other


def test_a_ray_without_the_private_method_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RayActorManager, "_actor_task_failed")
    with restart_after_out_of_memory():
        assert not hasattr(RayActorManager, "_actor_task_failed")
