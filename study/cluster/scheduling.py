"""Trains packs on Ray. A pack is a Tune trial; several short ones share one."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray import tune

from study.cluster.connection import CPUS_PER_PACK
from study.cluster.pack_searcher import PackSearcher
from study.cluster.ray_settings import restart_after_out_of_memory
from study.cluster.trials import MOST_DEATHS, TrainingListener, TrialCallback, last_line
from trainables.datasets.synthetic import AnyDataset
from trainables.pack import DatasetKey
from trainables.tune_adapter import Snapshots, TrainingJob, pack_trainable, put_dataset


def train_packs(
    jobs: Sequence[TrainingJob],
    datasets: Mapping[DatasetKey, AnyDataset],
    snapshots: Snapshots,
    gpus_per_pack: float,
    listener: TrainingListener,
    deadline: float = math.inf,
    live_seconds: float = math.inf,
    expected_seconds: Callable[[int], float] = lambda position: math.inf,
) -> list[tuple[int, str]]:
    """Trains packs as trials of a Tune experiment. They start in the given order.

    Args:
        jobs: What to train. It may grow while they train: `listener` may append what a result calls for.
        datasets: Each is put into the object store once.
        snapshots: Where workers keep the snapshots of packs in training.
        gpus_per_pack: The fraction of a GPU that each pack takes; zero for CPUs.
        listener: Receives each epoch and each result as soon as it is reported.
        deadline: When all training is stopped, by `time.monotonic`. What it stops has not failed.
        live_seconds: The least time between two reports of a pack's metrics while it trains.
        expected_seconds: How long the pack at a position will train; packs that are short share a trial.

    Returns:
        Position and last error of the packs that failed `MOST_TRIES` times, or died more than `MOST_DEATHS` times.

    Raises:
        OtherVersionError: If a node has another version of the code or its libraries, or lacks them.
        Exception: What `listener` raised, because training is useless if its results cannot be kept.
    """
    if time.monotonic() >= deadline:
        return []
    stored = {id(dataset): put_dataset(dataset) for dataset in datasets.values()}
    references = {key: stored[id(dataset)] for key, dataset in datasets.items()}
    trainable = pack_trainable(references, CPUS_PER_PACK, snapshots, live_seconds, gpus_per_pack)
    with_resources = tune.with_resources(trainable, _resources(gpus_per_pack))
    callback = TrialCallback(listener)
    errors = _run_experiment(with_resources, PackSearcher(jobs, callback, expected_seconds), callback, deadline)
    stopped = time.monotonic() >= deadline
    return [
        (position, callback.failed.get(position) or _reason(errors.get(position)))
        for position in range(len(jobs))
        if position not in callback.finished and (position in callback.given_up or not stopped)
    ]


def _run_experiment(
    trainable: Callable[[dict[str, Any]], None], searcher: PackSearcher, callback: TrialCallback, deadline: float
) -> dict[int, BaseException | None]:
    """Trains all that a searcher suggests until the deadline, and returns the last error of each pack by position."""
    with (
        tempfile.TemporaryDirectory(prefix="study-", ignore_cleanup_errors=True) as folder,
        restart_after_out_of_memory(),
    ):
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=-1,  # as many as it suggests
                time_budget_s=deadline - time.monotonic() if deadline < math.inf else None,
                reuse_actors=True,
                trial_dirname_creator=_folder_name,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=folder,
                verbose=0,
                callbacks=[callback],
                failure_config=tune.FailureConfig(max_failures=MOST_DEATHS),
            ),
        )
        try:
            # Read before the folder is removed. Results come in the order in which the trials were made; one whose
            # process never started has no configuration.
            ended = [result for result in tuner.fit() if result.config]
            return {position: result.error for result in ended for position, _ in result.config["jobs"]}
        except Exception:
            if callback.error is not None:
                raise callback.error from None
            raise


def _resources(gpus_per_pack: float) -> dict[str, float]:
    # Rounded down: Ray's own rounding could make n n-ths of a GPU more than one.
    gpu = {"gpu": math.floor(gpus_per_pack * 10_000) / 10_000} if gpus_per_pack else {}
    return {"cpu": CPUS_PER_PACK, **gpu}


def _folder_name(trial: Any) -> str:
    (first, _), *_ = trial.config["jobs"]
    return f"pack-{first}-{trial.trial_id}"


def _reason(error: BaseException | None) -> str:
    if error is None:
        return "it brought no result"
    why = last_line(str(error) or type(error).__name__)
    return f"its process did not start, or died, more than {MOST_DEATHS} times ({why})"
