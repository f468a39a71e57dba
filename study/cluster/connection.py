"""Joins or starts a Ray cluster, and says what it has to offer."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import ray
import torch

from study.cluster.private_ray import private_ray, read_authentication_again
from study.cluster.ray_settings import set_environment
from study.machine import CORES, local_gpus
from study.planning.packing import PACKS_PER_GPU

CPUS_PER_PACK = 1
GPUS_TO_COME = 4  # for which packs are planned while an autoscaler has started none; what cluster.yaml allows


class ClusterError(RuntimeError):
    """Ray could not be started or joined."""


def connect(address: str | None) -> None:
    """Joins a Ray cluster, or starts one on this machine alone.

    Args:
        address: A cluster's address; ``auto`` for the cluster of this machine. None starts a new local cluster, even if
            another program has left one running; nobody else can reach it.

    Raises:
        ClusterError: If there is no cluster at the address, or this process has joined one already.
    """
    if ray.is_initialized():
        raise ClusterError("this process has joined Ray already: call ray.shutdown() first")
    set_environment()
    target = address or "local"
    if target.startswith("ray://"):
        raise ClusterError(
            f"{target!r} is Ray Client's address, through which results cannot come back pack by pack: give the "
            "cluster's own (host:6379), or submit the command with `ray job submit` and --address auto"
        )
    _check_listening(target)
    local: dict[str, Any] = {"include_dashboard": False, "num_cpus": CORES} if target == "local" else {}
    try:
        with _signals_kept(), private_ray() if target == "local" else nullcontext():
            _start(target, local)
    except Exception as error:  # a node that does not come up in time is a plain Exception
        reason = " ".join(str(error).split())[:300]
        if target == "local":
            raise ClusterError(f"Ray does not start here ({reason}): wait until the machine is less busy") from None
        raise ClusterError(
            f"cannot join Ray at {target!r} ({reason}): start it, set RAY_AUTH_MODE=token if it asks for a token, or "
            "leave the option out"
        ) from None


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Puts the handler of SIGTERM back that Ray replaces: Ray's own ends the process in the middle of anything."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _start(target: str, options: dict[str, Any]) -> None:
    """Starts Ray or joins it. Ray gives a new node 30 s, which a busy machine may exceed: a second try helps."""
    try:
        ray.init(address=target, log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:
        if "timed out during startup" not in str(error):
            raise
        ray.shutdown()
        ray.init(address=target, log_to_driver=False, logging_level=logging.ERROR, **options)


def disconnect() -> None:
    """Leaves the cluster. A cluster that `connect` started ends.

    Call it in the thread that used Ray, after the last references to its objects are dropped. Ray ends the whole
    process if one thread frees a reference while another thread shuts Ray down.
    """
    gc.disable()  # for all threads: the one that builds the report could free a reference
    try:
        gc.collect()
        ray.shutdown()
    finally:
        gc.enable()
        read_authentication_again()  # the next cluster may be another's


def choose_gpus_per_pack(requested: float | None, local: bool, warn: Callable[[str], None]) -> float:
    """The fraction of a GPU that each pack takes; zero if packs train on CPUs.

    Args:
        requested: What the user asks for. On a cluster the user may wait for GPUs that are not there yet.
        local: Whether the cluster is this machine alone. GPUs that PyTorch cannot use are left alone there, as in the
            plan.
        warn: Told of such GPUs.
    """
    resources = ray.cluster_resources()
    gpus = resources.get("GPU", 0)
    if local and gpus >= 1 and not local_gpus():
        warn(
            "this machine has a GPU, and PyTorch cannot start CUDA on it: packs train on CPUs; see whether nvidia-smi "
            f"shows a driver for CUDA {torch.version.cuda or '(this PyTorch is built for CPUs alone)'}"
        )
        return 0.0
    if requested is None:
        # A head without CPUs trains nothing itself, as in cluster.yaml: its workers are started later.
        gpus_to_come = not local and resources.get("CPU", 0) < 1
        return 1 / PACKS_PER_GPU if gpus >= 1 or gpus_to_come else 0.0
    return requested if gpus >= 1 or not local else 0.0


def count_workers(gpus_per_pack: float) -> int:
    """How many packs the cluster trains at once, each on a fraction of a GPU or, if that is zero, on a CPU."""
    resources = ray.cluster_resources()
    if gpus_per_pack:
        return (int(resources.get("GPU", 0)) or GPUS_TO_COME) * int(1 / gpus_per_pack)
    return max(1, int(resources.get("CPU", 1)) // CPUS_PER_PACK)


def knock(address: str, timeout: float) -> None:
    """Connects to ``host:port`` and leaves again.

    Raises:
        OSError: If nobody answers; `ConnectionRefusedError` if the machine says so.
        OverflowError: If there is no such port.
    """
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=timeout).close()


def _check_listening(address: str) -> None:
    """Fails at once if nobody listens at an address. Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        knock(address, timeout=5)
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"nobody listens at {address!r} ({error}): start Ray there (`ray start --head`), or leave the option out"
        ) from None
