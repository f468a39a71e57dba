"""Training packs on Ray: one pack is one Tune trial."""

from __future__ import annotations

import gc
import logging
import math
import os
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray
from ray import tune

from study.packing import PACKS_PER_GPU
from study.trials import DEATHS, Listener, OnResult, deaths_by_memory_are_deaths
from trainables.datasets import Dataset
from trainables.tune_adapter import Order, Snapshots, pack_trainable, share_dataset

CPUS_PER_PACK = 1
GPUS_TO_COME = 4  # that packs are shaped for where an autoscaler has started none yet: what cluster.yaml allows


class ClusterError(RuntimeError):
    """Ray could not be started or joined."""


def connect(address: str | None) -> None:
    """Joins a Ray cluster, or starts one on this machine alone.

    Args:
        address: A cluster's address (``auto`` for the one this machine belongs to); None starts a local one. It never
            joins whatever cluster another program left behind.

    Raises:
        ClusterError: If there is no cluster at the address.
    """
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Ctrl-C shall end the study, not the experiment alone
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a pack that fails is reported in one line, at the end
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    target = address or "local"
    if target.startswith("ray://"):
        raise ClusterError(
            f"{target!r} is Ray Client's address, through which results cannot come back pack by pack: give the "
            "cluster's own (host:6379), or submit the command with `ray job submit` and --address auto"
        )
    _check_listening(target)
    local: dict[str, Any] = {"include_dashboard": False} if target == "local" else {}
    try:
        ray.init(address=target, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ClusterError(
            f"cannot join Ray at {target!r} ({reason}): start it, set RAY_AUTH_MODE=token if it asks for a token, or "
            "leave the option out"
        ) from None


def _check_listening(address: str) -> None:
    """Ray itself would try for minutes where nobody listens."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"nobody listens at {address!r} ({error}): start Ray there (`ray start --head`), or leave the option out"
        ) from None


def disconnect() -> None:
    """Leaves the cluster; one that `connect` started ends.

    Here and now, in the thread that used it, after what refers to its objects is gone: Ray ends the whole process if an
    object reference is freed while another thread shuts it down.
    """
    gc.disable()  # in every thread: the report may be at work in another
    try:
        gc.collect()
        ray.shutdown()
    finally:
        gc.enable()


def gpu_share(asked: float | None, local: bool) -> float:
    """Share of a GPU that each pack takes; zero where packs train on CPUs.

    Args:
        asked: By the user, who may wait for machines that are still to come; not on this machine alone.
        local: Whether the cluster is this machine alone.
    """
    resources = ray.cluster_resources()
    gpus = resources.get("GPU", 0)
    if asked is None:
        to_come = not local and resources.get("CPU", 0) < 1  # a head that trains nothing, as in cluster.yaml
        return 1 / PACKS_PER_GPU if gpus >= 1 or to_come else 0.0
    return asked if gpus >= 1 or not local else 0.0


def workers(share: float) -> int:
    """How many packs the cluster trains at once, each with a share of a GPU or, if that is zero, a CPU."""
    resources = ray.cluster_resources()
    if share:
        return (int(resources.get("GPU", 0)) or GPUS_TO_COME) * int(1 / share)
    return max(1, int(resources.get("CPU", 1)) // CPUS_PER_PACK)


def train_packs(
    orders: Sequence[Order],
    datasets: Mapping[tuple[str, str], Dataset],
    snapshots: Snapshots,
    share: float,
    on_epoch: Callable[[int, int], None],
    on_result: OnResult,
) -> list[tuple[int, str]]:
    """Trains packs as trials of one Tune experiment, in their order.

    Args:
        orders: What to train.
        datasets: By reading; each is put into the object store once.
        snapshots: Where workers keep those of packs in training.
        share: Of a GPU, for each pack; zero for CPUs.
        on_epoch: Called with a pack's position and the epoch it has reached.
        on_result: Called with a pack's position, its history, the seconds it took and the name of the device that it
            trained on, as soon as it ends.

    Returns:
        Position and last error of the packs that failed `TRIES` times, or died more than `DEATHS` times.

    Raises:
        OtherVersionError: If a node has another version of the code or its libraries.
        Exception: What `on_result` raised: there is no use in training what cannot be kept.
    """
    # Floored, lest rounding in Ray makes n n-ths more than a whole.
    gpu = {"gpu": math.floor(share * 10_000) / 10_000} if share else {}
    shared = {id(dataset): share_dataset(dataset) for dataset in datasets.values()}
    references = {reading: shared[id(dataset)] for reading, dataset in datasets.items()}
    trainable = pack_trainable(ray.put(list(orders)), references, CPUS_PER_PACK, snapshots)
    listener = Listener(on_epoch, on_result)
    with (
        tempfile.TemporaryDirectory(prefix="study-", ignore_cleanup_errors=True) as scratch,
        deaths_by_memory_are_deaths(),
    ):
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": CPUS_PER_PACK, **gpu}),
            param_space={"pack": tune.grid_search(list(range(len(orders)))), "pieces": 1, "anew": False},
            tune_config=tune.TuneConfig(reuse_actors=True, trial_dirname_creator=_folder_name),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=scratch,
                verbose=0,
                callbacks=[listener],
                failure_config=tune.FailureConfig(max_failures=DEATHS),
            ),
        )
        try:
            # In the order of their ends, not of their positions; read before the folder goes.
            errors = {result.config["pack"]: result.error for result in tuner.fit()}
        except Exception:
            if listener.error is not None:
                raise listener.error from None  # Tune wraps what its callbacks raise
            raise
    return [
        (position, listener.failed.get(position) or _reason(errors.get(position)))
        for position in range(len(orders))
        if position not in listener.finished
    ]


def _folder_name(trial: Any) -> str:
    return f"pack-{trial.config['pack']}"


def _reason(error: BaseException | None) -> str:
    if error is None:
        return "it brought no result"
    last_line = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return f"its process did not start, or died, more than {DEATHS} times ({last_line[:200]})"
