"""What trials report, and how trials that fail or die are tried again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from ray import tune

from study.cluster.ray_settings import OUT_OF_MEMORY
from trainables.training.history import History
from trainables.training.live_points import LiveReport

MOST_TRIES = 3  # of a pack whose own training fails
MOST_DEATHS = 20  # of a pack's process or machine, its failures included
_CANNOT_IMPORT = "failed to import on the worker"  # Ray's words about a node on which this project is not installed
_DIED_WITHOUT_REASON = "worker process has died"  # Ray's words about a process that the kernel ended for any reason


class OtherVersionError(RuntimeError):
    """A node has another version of the code or of its libraries than this session, or none."""


class TrainingListener(Protocol):
    """Receives what packs in training report. What it raises ends the training of all packs."""

    def on_epoch(self, position: int, epoch: int) -> None:
        """The pack at a position has reached an epoch."""

    def on_live(self, position: int, report: LiveReport) -> None:
        """The pack at a position has new metrics."""

    def on_result(self, position: int, history: History, seconds: float, device: str) -> None:
        """The pack at a position is trained.

        Args:
            position: Of the pack among those to train.
            history: Its result.
            seconds: How long the training took.
            device: Name of the device that trained it.
        """

    def on_trouble(self, position: int, what: str) -> None:
        """The training of a pack has failed, or its process has died. It may be tried again."""

    def on_failure(self, position: int) -> None:
        """The pack at a position brings no result, however often it is tried."""


class TrialCallback(tune.Callback):  # type: ignore[misc]
    """Passes on what trials report, and decides how trials that fail are tried again.

    Attributes:
        finished: Positions of the packs that reported a result.
        failed: The error of each pack whose training failed `MOST_TRIES` times, by position.
        given_up: Positions of the packs that will bring no result.
        error: The error that ended the training. The caller cannot take it from Tune, which wraps it.
    """

    def __init__(self, listener: TrainingListener) -> None:
        self._listener = listener
        self._failures: dict[int, int] = {}
        self._deaths = Counter[int]()
        self._told: set[int] = set()  # packs whose failure was told, and whose trial has not ended yet
        self.finished: set[int] = set()
        self.failed: dict[int, str] = {}
        self.given_up: set[int] = set()
        self.error: Exception | None = None

    def __reduce__(self) -> tuple[type[tune.Callback], tuple[()]]:
        # Tune pickles its callbacks to restore an experiment later. Studies resume from their records instead.
        return tune.Callback, ()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tune's hook: a trial has called ``tune.report``."""
        position = result["pack"]
        if position in self.finished:  # its node died between the result and the end of the trial
            return
        try:
            if "other_version" in result:
                raise OtherVersionError(result["other_version"])
            if "error" in result:
                self._count_failure(position, trial, result["error"])
                return
            # Tune would keep what stays in the result.
            live, history = result.pop("live", None), result.pop("history", None)
            self._listener.on_epoch(position, result["epoch"])
            if live is not None:
                self._listener.on_live(position, live)
            if history is not None:
                self._listener.on_result(position, history, result["seconds"], result["device"])
                self.finished.add(position)
                self._end_if_nothing_is_left(trial)
        except Exception as error:
            self.error = error
            raise

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune's hook: a trial has failed or died, and will be started again.

        A trial that died for lack of memory trains in smaller pieces. Ray names the deaths that it caused itself. A
        process that the kernel ends leaves no reason. It may have another cause, unless it happens twice in a row.
        On a node without this project every try would fail in the same way. What the trial has not trained yet it goes
        on with.
        """
        _, *deaths = Path(trial.error_file).read_text().split("Failure #")
        position = next(
            each for each, _ in trial.config["jobs"] if each not in self.finished
        )  # it trains in this order
        self._deaths[position] += 1
        if _CANNOT_IMPORT in deaths[-1]:
            self.error = OtherVersionError(_import_message(deaths[-1]))
            raise self.error
        if position in self._told:  # the failure that it had reported before
            self._told.remove(position)
        else:
            self._listener.on_trouble(position, f"its process died: {last_line(deaths[-1])}")
        died_twice = len(deaths) > 1 and all(_DIED_WITHOUT_REASON in death for death in deaths[-2:])
        more = 2 if OUT_OF_MEMORY in deaths[-1] or died_twice else 1
        trial.set_config({**trial.config, "jobs": self._left(trial), "pieces": more * trial.config["pieces"]})

    def may_try_again(self, position: int) -> bool:
        """Whether a pack has no result, and has failed and died less often than it may."""
        return not (position in self.finished or position in self.failed or self._deaths[position] >= MOST_DEATHS)

    def count_death(self, position: int) -> None:
        """A pack's trial has ended without a result, and its pack will be tried again."""
        self._deaths[position] += 1

    def give_up(self, position: int) -> None:
        """A pack brings no result. What the listener raises ends the training."""
        self.given_up.add(position)
        try:
            self._listener.on_failure(position)
        except Exception as error:
            self.error = error
            raise

    def _count_failure(self, position: int, trial: Any, error: str) -> None:
        self._failures[position] = self._failures.get(position, 0) + 1
        self._told.add(position)
        self._listener.on_trouble(position, f"failed at try {self._failures[position]} of {MOST_TRIES}: {error}")
        if self._failures[position] == MOST_TRIES - 1:
            trial.set_config({**trial.config, "from_scratch": True})  # the snapshot may be what makes it fail
        elif self._failures[position] == MOST_TRIES:
            self.failed[position] = error
            self._end_if_nothing_is_left(trial)

    def _left(self, trial: Any) -> list[tuple[int, Any]]:
        """What a trial has still to train."""
        return [(each, job) for each, job in trial.config["jobs"] if each not in self.finished | set(self.failed)]

    def _end_if_nothing_is_left(self, trial: Any) -> None:
        if not self._left(trial):
            trial.max_failures = 0


def last_line(text: str) -> str:
    """The last line of an error's text that is not empty."""
    return (text.strip() or "without a word").splitlines()[-1][:200]


def _import_message(death: str) -> str:
    missing = [line.strip() for line in death.splitlines() if "ModuleNotFoundError" in line or "ImportError" in line]
    reason = f" ({missing[-1][:200]})" if missing else ""
    return (
        f"a node cannot import this project{reason}: install it, with its libraries, on every node, and run the same "
        "command again"
    )
