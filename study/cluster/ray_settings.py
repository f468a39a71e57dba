"""How this study changes Ray: environment variables, one logger, and one private method; each with its reason."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.exceptions import OutOfMemoryError, RayActorError

OUT_OF_MEMORY = "its machine ran out of memory, and Ray ended its process"

_ENVIRONMENT = {
    # Tune would write each trial's results to files too. The study has its own records.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Tune would often save the state of the experiment. A study resumes from its records.
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    # Tune would ask a searcher for one trial at a time. Packs wait for no results, and an autoscaler counts what waits.
    "TUNE_MAX_PENDING_TRIALS_PG": "200",
    # Tune would catch Ctrl-C and end only the experiment. It has to end the study.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Tune's newer output prints tables of trials. The study shows its own progress.
    "RAY_AIR_NEW_OUTPUT": "0",
    # Older versions of Ray hide the GPUs from tasks that ask for none, and warn that later ones will not. Tasks of the
    # study that have no GPU use none that they see.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def set_environment() -> None:
    """Sets what Ray reads when it starts. Variables that the user has set keep their values."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Tune would log the traceback of each failed trial. The study reports it in one line at the end.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


@contextmanager
def restart_after_out_of_memory() -> Iterator[None]:
    """Lets Tune restart a trial whose process Ray's memory monitor has ended.

    Tune handles the errors of actors and of their tasks. `OutOfMemoryError` is neither, and would end the experiment.
    The patched method is private. A version of Ray without it runs unpatched, and such an error ends the session.
    """
    try:
        from ray.air.execution._internal import RayActorManager

        original = RayActorManager._actor_task_failed
    except (ImportError, AttributeError):
        yield
        return

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=OUT_OF_MEMORY)
        original(manager, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = failed
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = original
