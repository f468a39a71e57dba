"""What a Ray cluster has to offer, and addresses without one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial

import pytest
import ray
import torch

from study import session
from study.cluster.connection import ClusterError, choose_gpus_per_pack, connect, count_workers, disconnect
from study.machine import CORES


def test_gpus_are_asked_for_if_there_are_some_or_will_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.cluster.connection.local_gpus", lambda: 3)
    warned: list[str] = []
    choose = partial(choose_gpus_per_pack, warn=warned.append)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    assert choose(None, local=False) == choose(0.5, local=True) == 0.0
    assert choose(0.5, local=False) == 0.5
    monkeypatch.setattr(ray, "cluster_resources", dict)
    assert choose(None, local=False) == 0.25, "a head without CPUs has workers to come"
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 64.0, "GPU": 3.0})
    assert choose(1 / 3, local=True) == 1 / 3
    assert count_workers(1 / 3) == 9
    assert count_workers(choose(None, local=False)) == 12
    assert warned == []


@pytest.mark.parametrize("requested", [None, 0.5])
def test_a_gpu_of_this_machine_that_pytorch_cannot_use_is_left_alone_with_a_warning(
    requested: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an old driver PyTorch counts the GPU, as Ray does, and starts nothing on it."""
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": 1.0})
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: warnings.warn("CUDA initialization", stacklevel=1) or False)
    warned: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_gpus_per_pack(requested, local=True, warn=warned.append) == 0.0
        assert session._local_workers(requested) == CORES, "the plan is for CPUs as well"
    (warning,) = warned
    assert warning.startswith("this machine has a GPU, and PyTorch cannot start CUDA on it: packs train on CPUs")
    assert choose_gpus_per_pack(requested, local=False, warn=warned.append) > 0, "other machines have other drivers"
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1:9", "nobody listens"), ("ray://127.0.0.1:9", "Ray Client's address")]
)
def test_an_address_that_cannot_serve_is_said_at_once(address: str, expected: str) -> None:
    with pytest.raises(ClusterError, match=expected):
        connect(address)


def test_a_ray_that_does_not_start_on_a_busy_machine_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def too_busy(**options: object) -> None:
        tries.append(options)
        raise Exception("The current node timed out during startup.\n")

    monkeypatch.setattr(ray, "init", too_busy)
    with pytest.raises(ClusterError, match=r"^Ray does not start here \(The current node timed out during startup.\)"):
        connect(None)
    assert len(tries) == 2, "a second try often helps"


@pytest.fixture(scope="module")
def _cluster() -> Iterator[None]:
    connect(None)
    yield
    disconnect()


@pytest.mark.usefixtures("_cluster")
def test_workers_are_cores_if_there_is_no_gpu() -> None:
    assert count_workers(0.0) == int(ray.cluster_resources()["CPU"]) == CORES
