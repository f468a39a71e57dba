"""A frozen backbone in an actor of a real local Ray."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from ray.cluster_utils import Cluster
from torch import Tensor
from torchvision.models import get_model

from study import session
from study.cluster import remote_backbone
from study.cluster.connection import ClusterError, connect, disconnect
from study.cluster.remote_backbone import IN_FLIGHT, run_on_cluster
from study.config.loading import load_config
from study.data.preparation import is_prepared, prepare, run_here
from study.data.sources import EncodedDataset, find_datasets
from tests.trainables.images import save_classes
from trainables.datasets.errors import DatasetError
from trainables.datasets.splits import Dataset
from trainables.datasets.synthetic import SyntheticOptions
from trainables.networks import backbones
from trainables.networks.backbones import FeatureExtractor, load_backbone
from trainables.provenance import code_version

BACKBONE = "mnasnet0_5"  # small, and its weights are read by the version that stands beside them
on_cpu = partial(run_on_cluster, gpus=0.0)


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    connect(None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    disconnect()


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[EncodedDataset]:
    """Of 80 images in 10 batches."""
    monkeypatch.setattr(backbones, "_BATCH", 8)
    birds = save_classes(tmp_path / "birds", 8, 10)
    torch.save(get_model(BACKBONE, weights=None).state_dict(), tmp_path / "mine.pth")
    options: dict[str, Any] = {"datasets": [f"folder:{birds}"], "encoder": [f"folder:birds={BACKBONE}"]}
    options["weights"] = [f"{BACKBONE}={tmp_path / 'mine.pth'}"]
    return find_datasets(load_config("demo", None, options))[0]


def network_processes() -> list[int]:
    """Processes below this one that hold a network for Ray."""
    parents, named = {}, []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if "_Embedder" in (entry / "cmdline").read_text():
                named.append(int(entry.name))
        except OSError:
            continue

    def below(process: int) -> bool:
        return process == os.getpid() or (process in parents and below(parents[process]))

    return [process for process in named if below(process)]


@pytest.mark.faults
def test_a_dataset_is_the_same_wherever_its_backbone_ran_and_died(
    datasets: list[EncodedDataset], tmp_path: Path
) -> None:
    sent, received, killed = 0, 0, []

    def dying(backbone: str, model: torch.nn.Module) -> FeatureExtractor:
        def batches(given: Iterator[Tensor]) -> Iterator[Tensor]:
            nonlocal sent
            for batch in given:
                sent += 1
                assert sent - received <= IN_FLIGHT
                yield batch

        def network(given: Iterator[Tensor]) -> Iterator[Tensor]:
            nonlocal received
            for embedded in on_cpu(backbone, model)(batches(given)):
                received += 1
                if received == 3:
                    killed.extend(network_processes())
                    os.kill(killed[0], signal.SIGKILL)
                yield embedded

        return network

    (local,) = prepare(datasets, tmp_path / "one", SyntheticOptions(), run_here)[0].values()
    (remote,) = prepare(datasets, tmp_path / "two", SyntheticOptions(), dying)[0].values()
    assert (len(killed), received) == (1, 10)
    assert isinstance(local, Dataset)
    assert isinstance(remote, Dataset)
    assert torch.equal(local.inputs, remote.inputs)
    assert len(local.inputs.unique(dim=0)) == 80
    assert local.digest == remote.digest


def test_a_broken_image_is_named_and_leaves_nothing_on_the_cluster(
    datasets: list[EncodedDataset], tmp_path: Path
) -> None:
    broken = tmp_path / "birds" / "class02" / "0.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"class02/0\.png is broken or no image"):
        prepare(datasets, tmp_path / "cache", SyntheticOptions(), on_cpu)
    assert not is_prepared(datasets[0], tmp_path / "cache")


@pytest.mark.faults
def test_a_network_that_fails_is_one_line() -> None:
    network = on_cpu("resnet18", load_backbone(BACKBONE, None))
    with pytest.raises(ClusterError, match=r"resnet18 does not run on the cluster \(.*Missing key") as caught:
        list(network(iter([torch.zeros(1, 3, 64, 64)])))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("gpus", "cuda", "remote"), [(0.25, False, True), (0.0, False, False), (0.25, True, False)])
def test_a_backbone_runs_on_the_cluster_where_only_that_has_a_gpu(
    gpus: float, cuda: bool, remote: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    runner = session._backbone_runner(gpus)
    assert (runner is not run_here) == remote
    if isinstance(runner, partial):
        assert (runner.func, runner.keywords) == (run_on_cluster, {"gpus": gpus})


def test_a_backbone_keeps_to_its_share_of_a_gpu_beside_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Network(torch.nn.Identity):
        def to(self, device: torch.device) -> Network:  # type: ignore[override]
            used.append(device.type)
            return self

    used: list[object] = []
    monkeypatch.setattr(ray, "get", lambda state: state)
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: [0])
    monkeypatch.setattr(remote_backbone, "load_backbone", lambda *_: Network())
    monkeypatch.setattr(remote_backbone, "embed", lambda model, batch, device: batch)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", used.append)
    actor = remote_backbone._Embedder(0.25)
    for _ in range(2):
        actor.embed(BACKBONE, [{}], np.zeros((1, 3, 2, 2), np.float32), code_version())
    assert used == [0.9 * 0.25, "cuda"]


@pytest.mark.faults
def test_features_that_a_node_takes_with_it_are_made_again_on_another() -> None:
    disconnect()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        connect(cluster.address)
        first = cluster.add_node(num_cpus=1)
        model = load_backbone("resnet18", None)  # its features of 64 images are too many to travel without the store
        given = [torch.full((64, 3, 32, 32), float(number)) for number in range(12)]
        received = []
        for embedded in on_cpu("resnet18", model)(iter(given)):
            received.append(embedded)
            if len(received) == 4:
                time.sleep(2)  # till those in flight are made
                cluster.add_node(num_cpus=1)
                cluster.remove_node(first, allow_graceful=False)
        assert torch.equal(torch.cat(received), torch.cat(list(run_here("resnet18", model)(iter(given)))))
    finally:
        disconnect()
        cluster.shutdown()
