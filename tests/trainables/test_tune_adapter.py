"""The trainable without Ray: the object store and the reports of Tune are replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import ray
import torch
from ray import tune
from ray.exceptions import RayError

from tests.trainables.test_invariants import ALONE, DIGITS, OTHERS, points
from trainables import tune_adapter
from trainables.datasets.registry import load_vectors
from trainables.datasets.splits import Dataset
from trainables.pack import DatasetKey, Pack
from trainables.provenance import code_version
from trainables.training.history import History
from trainables.training.loop import _PackTrainer, train_pack
from trainables.tune_adapter import TrainingJob, get_dataset, pack_trainable, put_dataset

PACK = Pack(replace(DIGITS, epochs=4), (ALONE, OTHERS[0]))
JOB = TrainingJob(PACK, "pack", "version data keys", code_version())
CONFIG = {"jobs": [(0, JOB)], "pieces": 1, "from_scratch": False}


class MemorySnapshots:
    """Snapshots of every epoch, in memory."""

    seconds = 0.0

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def read(self, name: str, most: int) -> bytes | None:
        return self.content.get(name)

    def write(self, name: str, content: bytes) -> None:
        self.content[name] = content


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the trainable reports."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(ray, "get", lambda value: value)
    monkeypatch.setattr(tune_adapter, "get_dataset", lambda dataset: dataset)
    monkeypatch.setattr(tune_adapter, "_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "10.0.0.2")
    monkeypatch.setattr(tune, "report", sent.append)
    return sent


@pytest.fixture
def digits() -> Dataset:
    return load_vectors("digits")


def trainable(digits: Dataset, snapshots: MemorySnapshots) -> Callable[[dict[str, Any]], None]:
    return pack_trainable({DatasetKey("digits", "mlp"): digits}, 1, snapshots)  # type: ignore[dict-item]


def trained_epochs(monkeypatch: pytest.MonkeyPatch, until: int | None = None) -> list[int]:
    """Lists the trained epochs, and interrupts training at the start of epoch `until`."""
    epochs: list[int] = []
    train_epoch = _PackTrainer.train_epoch

    def counted(trainer: _PackTrainer, epoch: int) -> dict[str, torch.Tensor]:
        if epoch == until:
            raise KeyboardInterrupt
        epochs.append(epoch)
        return train_epoch(trainer, epoch)

    monkeypatch.setattr(_PackTrainer, "train_epoch", counted)
    return epochs


def test_a_dataset_is_the_same_after_the_object_store(monkeypatch: pytest.MonkeyPatch, digits: Dataset) -> None:
    monkeypatch.setattr(ray, "put", lambda value: value)
    monkeypatch.setattr(ray, "get", lambda value: value)
    synthetic = load_vectors("synthetic")
    assert get_dataset(put_dataset(synthetic)) == synthetic
    official = replace(digits, test=torch.arange(5))
    for dataset in (digits, official):
        again = get_dataset(put_dataset(dataset))
        assert isinstance(again, Dataset)
        for name, value in vars(dataset).items():
            same = getattr(again, name)
            assert torch.equal(same, value) if isinstance(value, torch.Tensor) else same == value


@pytest.mark.parametrize(
    ("again", "expected"), [({}, [3, 4]), ({"from_scratch": True}, [1, 2, 3, 4]), ({"pieces": 2}, [3, 4] * 2)]
)
def test_after_a_kill_only_the_epochs_since_the_last_snapshot_are_trained_again(
    monkeypatch: pytest.MonkeyPatch,
    reports: list[dict[str, Any]],
    digits: Dataset,
    again: dict[str, Any],
    expected: list[int],
) -> None:
    train = trainable(digits, MemorySnapshots())
    with monkeypatch.context() as patch:
        epochs = trained_epochs(patch, until=3)
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG)
        assert epochs == [1, 2]
    with monkeypatch.context() as patch:
        epochs = trained_epochs(patch)
        train({**CONFIG, **again})
    assert epochs == expected
    end = reports[-1]
    assert (end["epoch"], end["device"]) == (4, "cpu")
    uninterrupted = train_pack(PACK, digits)
    assert [points(end["history"], k) for k in range(2)] == [points(uninterrupted, k) for k in range(2)]


def test_packs_of_one_trial_are_trained_one_after_the_other_each_with_its_own_result(
    reports: list[dict[str, Any]], digits: Dataset
) -> None:
    alone = [Pack(replace(DIGITS, epochs=1), (member,)) for member in PACK.members]
    jobs = [
        (position, replace(JOB, name=f"{position}", pack=pack)) for position, pack in zip((7, 4), alone, strict=True)
    ]
    trainable(digits, MemorySnapshots())({**CONFIG, "jobs": jobs})
    ends = [report for report in reports if "history" in report]
    assert [report["pack"] for report in ends] == [7, 4]
    assert [points(end["history"], 0) for end in ends] == [points(train_pack(pack, digits), 0) for pack in alone]


def test_errors_of_the_training_are_reported_in_one_line_and_rays_are_not(
    monkeypatch: pytest.MonkeyPatch, reports: list[dict[str, Any]], digits: Dataset
) -> None:
    for error in (ValueError("broken\n on purpose"), RayError("an object is lost")):

        def fails(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(tune_adapter, "train_within_memory", fails)
        with pytest.raises(type(error)):
            trainable(digits, MemorySnapshots())(CONFIG)
    assert reports == [{"pack": 0, "error": "ValueError: broken on purpose"}]


def test_a_pack_keeps_to_its_share_of_a_gpu_and_leaves_nothing_there(
    monkeypatch: pytest.MonkeyPatch, reports: list[dict[str, Any]], digits: Dataset
) -> None:
    done: list[object] = []
    monkeypatch.setattr(tune_adapter, "_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(tune_adapter, "_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", done.append)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: done.append("emptied"))

    def train(*arguments: Any) -> History:
        done.append("trained")
        return History(2)

    monkeypatch.setattr(tune_adapter, "train_within_memory", train)
    pack_trainable({DatasetKey("digits", "mlp"): digits}, 1, MemorySnapshots(), gpus=0.25)(CONFIG)  # type: ignore[dict-item]
    assert done == [0.9 * 0.25, "trained", "emptied"]
    assert reports[-1]["device"] == "a GPU"


def test_a_node_with_other_code_trains_nothing(reports: list[dict[str, Any]], digits: Dataset) -> None:
    trainable(digits, MemorySnapshots())({**CONFIG, "jobs": [(0, replace(JOB, version="0.0+other"))]})
    (report,) = reports
    for text in ("the node 10.0.0.2", code_version(), "this session 0.0+other"):
        assert text in report["other_version"]
