"""What a Ray cluster has to offer, and addresses without one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import ray

from study.cluster.connection import ClusterError, choose_gpus_per_pack, connect, count_workers, disconnect
from study.machine import CORES


def test_gpus_are_asked_for_if_there_are_some_or_will_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    assert choose_gpus_per_pack(None, local=False) == choose_gpus_per_pack(0.5, local=True) == 0.0
    assert choose_gpus_per_pack(0.5, local=False) == 0.5
    monkeypatch.setattr(ray, "cluster_resources", dict)
    assert choose_gpus_per_pack(None, local=False) == 0.25, "a head without CPUs has workers to come"
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 64.0, "GPU": 3.0})
    assert choose_gpus_per_pack(1 / 3, local=True) == 1 / 3
    assert count_workers(1 / 3) == 9
    assert count_workers(choose_gpus_per_pack(None, local=False)) == 12


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
