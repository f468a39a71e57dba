"""The trainable by itself: Ray's object store and Tune's reports are stand-ins."""

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
from trainables.datasets import Dataset, load_vectors
from trainables.provenance import code_version
from trainables.spec import Pack
from trainables.training import _PackRun, train_pack
from trainables.tune_adapter import Order, pack_trainable

PACK = Pack(replace(DIGITS, epochs=4), (ALONE, OTHERS[0]))
ORDER = Order(PACK, "pack", "version data keys", code_version())
CONFIG = {"pack": 0, "pieces": 1, "anew": False}


class Kept:
    """Snapshots of every epoch, in memory."""

    seconds = 0.0

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        return self.content.get(name)

    def write(self, name: str, content: bytes) -> None:
        self.content[name] = content


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the trainable reports."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(ray, "get", lambda value: value)
    monkeypatch.setattr(tune_adapter, "shared_dataset", lambda dataset: dataset)
    monkeypatch.setattr(tune_adapter, "_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "10.0.0.2")
    monkeypatch.setattr(tune, "report", found.append)
    return found


@pytest.fixture
def digits() -> Dataset:
    return load_vectors("digits")


def trainable(digits: Dataset, snapshots: Kept, order: Order = ORDER) -> Callable[[dict[str, Any]], None]:
    return pack_trainable([order], {("digits", "mlp"): digits}, 1, snapshots)  # type: ignore[arg-type]


def trained_epochs(monkeypatch: pytest.MonkeyPatch, until: int | None = None) -> list[int]:
    """Lists the epochs that are trained, and ends the process, as it were, at the start of one."""
    epochs: list[int] = []
    train_epoch = _PackRun.train_epoch

    def counted(run: _PackRun, epoch: int) -> dict[str, torch.Tensor]:
        if epoch == until:
            raise KeyboardInterrupt
        epochs.append(epoch)
        return train_epoch(run, epoch)

    monkeypatch.setattr(_PackRun, "train_epoch", counted)
    return epochs


@pytest.mark.parametrize(
    ("again", "expected"), [({}, [3, 4]), ({"anew": True}, [1, 2, 3, 4]), ({"pieces": 2}, [1, 2, 3, 4] * 2)]
)
def test_after_a_kill_only_the_epochs_since_the_last_snapshot_are_trained_again(
    monkeypatch: pytest.MonkeyPatch,
    reports: list[dict[str, Any]],
    digits: Dataset,
    again: dict[str, Any],
    expected: list[int],
) -> None:
    train = trainable(digits, Kept())
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
    whole = train_pack(PACK, digits)
    assert [points(end["history"], k) for k in range(2)] == [points(whole, k) for k in range(2)]


def test_its_own_exceptions_are_reported_in_one_line_and_rays_are_not(
    monkeypatch: pytest.MonkeyPatch, reports: list[dict[str, Any]], digits: Dataset
) -> None:
    for error in (ValueError("broken\n on purpose"), RayError("an object is lost")):

        def fails(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(tune_adapter, "train_within_memory", fails)
        with pytest.raises(type(error)):
            trainable(digits, Kept())(CONFIG)
    assert reports == [{"error": "ValueError: broken on purpose"}]


def test_a_node_with_other_code_trains_nothing(reports: list[dict[str, Any]], digits: Dataset) -> None:
    trainable(digits, Kept(), replace(ORDER, version="0.0+other"))(CONFIG)
    (report,) = reports
    for part in ("the node 10.0.0.2", code_version(), "this session 0.0+other"):
        assert part in report["other_version"]
