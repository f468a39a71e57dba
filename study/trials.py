"""What the trials of a study report, and what becomes of those that fail or die."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import OutOfMemoryError, RayActorError

from trainables.history import History

TRIES = 3  # of a pack whose own training fails
DEATHS = 20  # of a pack's process or machine; its failures count among them too, and end it before
_SHORT_OF_MEMORY = "its machine ran out of memory, and Ray ended its process"
_WITHOUT_A_TRACE = "worker process has died"  # as Ray says of one that the kernel killed, for memory or otherwise

OnResult = Callable[[int, History, float, str], None]


class OtherVersionError(RuntimeError):
    """A node has another version of the code or of its libraries than this session."""


class Listener(tune.Callback):  # type: ignore[misc]
    """Hands on what trials report, and decides how those that fail are tried again.

    Attributes:
        finished: Positions of the packs that brought their result.
        failed: Error of the packs whose training failed `TRIES` times, by position.
        error: What ended the study: raised here, it would reach the caller in Tune's wrapping.
    """

    def __init__(self, on_epoch: Callable[[int, int], None], on_result: OnResult) -> None:
        self._on_epoch = on_epoch
        self._on_result = on_result
        self._failures: dict[int, int] = {}
        self.finished: set[int] = set()
        self.failed: dict[int, str] = {}
        self.error: Exception | None = None

    def __reduce__(self) -> tuple[type[tune.Callback], tuple[()]]:
        # Tune pickles its callbacks so that it can restore an experiment; studies resume from their records instead.
        return tune.Callback, ()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tune's hook: a trial has called ``tune.report``."""
        position = trial.config["pack"]
        if position in self.finished:  # its node died between the result and the trial's end
            return
        try:
            if "other_version" in result:
                raise OtherVersionError(result["other_version"])
            if "error" in result:
                self._count_failure(position, trial, result["error"])
                return
            self._on_epoch(position, result["epoch"])
            history = result.pop("history", None)  # kept, it would stand in each of Tune's snapshots
            if history is not None:
                self._on_result(position, history, result["seconds"], result["device"])
                self.finished.add(position)
                trial.max_failures = 0
        except Exception as error:
            self.error = error
            raise

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune's hook: a trial has failed or died, and will be started again.

        After a death by memory it trains in smaller pieces. Ray knows of those that it has caused; a process that the
        kernel ends is gone without a trace, which may have other causes unless it comes twice in a row.
        """
        _, *deaths = Path(trial.error_file).read_text().split("Failure #")
        without_a_trace = len(deaths) > 1 and all(_WITHOUT_A_TRACE in death for death in deaths[-2:])
        if _SHORT_OF_MEMORY in deaths[-1] or without_a_trace:
            trial.set_config({**trial.config, "pieces": 2 * trial.config["pieces"]})

    def _count_failure(self, position: int, trial: Any, error: str) -> None:
        self._failures[position] = self._failures.get(position, 0) + 1
        if self._failures[position] == TRIES - 1:
            trial.set_config({**trial.config, "anew": True})  # it may be the snapshot that makes it fail
        elif self._failures[position] == TRIES:
            trial.max_failures = 0
            self.failed[position] = error


@contextmanager
def deaths_by_memory_are_deaths() -> Iterator[None]:
    """Lets Tune start a trial again that Ray's memory monitor has ended.

    Tune knows errors of actors and of their tasks; for this one, which is neither, it would end the whole experiment.
    """
    try:
        from ray.air.execution._internal import RayActorManager

        known = RayActorManager._actor_task_failed
    except (ImportError, AttributeError):  # no promise of Ray's: where it has gone, such a death ends the session
        yield
        return

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=_SHORT_OF_MEMORY)
        known(manager, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = failed
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = known
