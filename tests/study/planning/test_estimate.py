"""Estimates of the training time, from short measurements."""

from __future__ import annotations

import pytest
import torch

from study.config.loading import load_config
from study.data.sources import EncodedDataset, find_datasets
from study.planning.estimate import estimate, total_seconds
from tests.study.planning.examples import CNN, VIT, work_of


def test_the_estimate_grows_with_the_work() -> None:
    seconds = []
    for epochs in (10, 500):
        config = load_config("demo", None, {"datasets": ["digits"], "epochs": epochs, "miners": ["all"]})
        datasets = find_datasets(config)[0]
        seconds.append(total_seconds(estimate(work_of(config, datasets), datasets, []), 10, 2))
    assert 10 * (seconds[0] - 12) < seconds[1]


def test_large_datasets_are_estimated_from_small_measurements_without_their_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("study.planning.estimate._FULL_SIZE", 1000)
    config = load_config("demo", None, {"datasets": ["digits"], "epochs": 10, "margins": [1], "batch_size": 16})
    datasets = [VIT, CNN]
    vit, cnn = estimate(work_of(config, datasets), datasets, [])
    assert (vit.encoded, cnn.encoded) == (VIT, CNN)
    assert cnn.training > 5 * vit.training > 0


def test_a_folder_of_many_classes_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.planning.estimate._FULL_SIZE", 400)
    config = load_config("demo", None, {"datasets": ["digits"], "epochs": 1, "margins": [1], "batch_size": 16})
    for split in ("closed", "disjoint"):
        folder = EncodedDataset("folder:big", "linear", split, "pk", False, 6000, 300, (8,))
        (found,) = estimate(work_of(config, [folder]), [folder], [])
        assert found.training > 0


def test_a_gpu_is_measured_with_packs_of_the_size_that_it_will_train(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: set[int] = set()
    monkeypatch.setattr("study.planning.estimate.train_within_memory", lambda pack, *_: measured.add(len(pack.members)))
    config = load_config("demo", None, {"datasets": ["digits"], "epochs": 1, "margins": [1], "batch_size": 16})
    datasets = [*find_datasets(config)[0], CNN]
    sizes = {datasets[0].key: 32, CNN.key: 11}
    for device, expected in (("cpu", {3, 1}), ("cuda", {32, 11})):
        monkeypatch.setattr("study.planning.estimate.local_device", lambda device=device: torch.device(device))
        measured.clear()
        estimate(work_of(config, datasets), datasets, [], members=sizes)
        assert measured == expected
