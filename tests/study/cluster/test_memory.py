"""Ray's memory monitor at work: a pack that takes more memory than its node has is trained in halves.

It starts its own cluster, needs some gigabytes and must run alone: ``pytest -m "faults and alone"``.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from study.cluster.connection import connect, disconnect
from study.cluster.scheduling import train_packs
from study.storage.checkpoints import CheckpointFolder
from tests.study.cluster.listeners import Collected
from tests.trainables.test_invariants import ALONE, DIGITS, OTHERS, points
from trainables.datasets.registry import load_vectors
from trainables.pack import Pack
from trainables.provenance import code_version
from trainables.training.history import History
from trainables.training.loop import train_pack
from trainables.tune_adapter import TrainingJob

pytestmark = [pytest.mark.faults, pytest.mark.alone]

ROOM = 2 << 30


def memory(name: str) -> int:
    """Bytes of this machine's memory of some kind."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    assert found
    return int(found[1]) << 10


def test_a_pack_that_its_node_has_no_memory_for_is_trained_in_halves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    total, available = memory("MemTotal"), memory("MemAvailable")
    if available < 3 * ROOM:
        pytest.skip("too little memory to spare")
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{1 - (available - ROOM) / total:.4f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    tried, collected = tmp_path / "tried", Collected()
    pack, digits = Pack(DIGITS, (ALONE, OTHERS[0])), load_vectors("digits")

    def greedy(*args: Any) -> History:
        from trainables.training.within_memory import train_within_memory

        with tried.open("a") as file:
            file.write(f"{args[-1]} ")
        taken = []
        while args[-1] == 1:
            taken.append(b"x" * (64 << 20))
            time.sleep(0.02)
        return train_within_memory(*args)

    monkeypatch.setattr("trainables.tune_adapter.train_within_memory", greedy)
    connect(None)
    try:
        failed = train_packs(
            [TrainingJob(pack, "greedy", "version data keys", code_version())],
            {DIGITS.dataset_key: digits},
            CheckpointFolder(UPath(tmp_path) / "checkpoints", 30.0),
            0.0,
            collected,
        )
    finally:
        disconnect()
    assert failed == []
    assert tried.read_text().split() == ["1", "2"]
    at_once = train_pack(pack, digits)
    assert [points(collected.histories[0], k) for k in range(2)] == [points(at_once, k) for k in range(2)]
