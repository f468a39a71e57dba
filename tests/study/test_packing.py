"""Packs: every run once, within the memory, no worker idle at the end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from study.config import load_config
from study.grid import Run, expand
from study.packing import make_packs, pack_id, pack_limits
from study.readings import Reading
from tests.study.test_grid import runs_of


def test_packs_hold_every_missing_run_once_and_share_their_structure() -> None:
    runs = runs_of()
    done = {run.key for run in runs[::7]}
    packs = make_packs(runs, done, pack_size=6, workers=2, limits={})
    packed = [run.key for _, members in packs for run in members]
    assert sorted(packed) == sorted(run.key for run in runs if run.key not in done)
    for pack, members in packs:
        assert len(pack.members) <= 6
        assert [run.member for run in members] == list(pack.members)
        assert {run.structure for run in members} == {pack.structure}
    assert len({pack_id(members) for _, members in packs}) == len(packs)


def test_every_worker_gets_a_pack() -> None:
    runs = runs_of(datasets=["digits"], losses=["triplet"], miners=["all"])
    assert len(make_packs(runs, set(), None, workers=4, limits={})) == 4
    assert make_packs(runs, {run.key for run in runs}, None, workers=4, limits={}) == []


def test_packs_of_large_images_stay_within_the_memory() -> None:
    config = load_config("demo", None, {"datasets": ["mnist"]})
    sizes = {}
    for side in (28, 64, 256):
        reading = Reading("mnist", "cnn", "closed", "shuffle", False, 70_000, 10, (1, side, side))
        limits = pack_limits(config, [reading])
        packs = make_packs(expand(config, [reading]), set(), 32, 2, limits)
        sizes[side] = max(len(members) for _, members in packs)
        assert 64 * 32 * side**2 * 4 * sizes[side] < 2**30
    assert sizes[28] > sizes[64] > sizes[256] == 1


PLAN = """
import time
from study.config import load_config
from study.grid import expand
from study.packing import make_packs, pack_limits
from study.readings import find_readings
config = load_config("demo", None, {"margins": [0.01 * step for step in range(1, 141)], "seeds": 30})
started = time.perf_counter()
readings, _ = find_readings(config)
runs = expand(config, readings)
packs = make_packs(runs, set(), None, 64, pack_limits(config, readings))
assert len(runs) == sum(len(members) for _, members in packs) == 50_400
peak = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]  # ru_maxrss would count the parent
print(time.perf_counter() - started, int(peak) / 2**20)
"""


def test_a_plan_of_50000_runs_is_made_in_seconds_and_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", PLAN], capture_output=True, text=True, check=True)
    seconds, gibibytes = map(float, done.stdout.split())
    assert seconds < 5
    assert gibibytes < 1


def ends(packs: list[list[Run]], workers: int, seconds: dict[str, float]) -> list[float]:
    """When the workers end, each taking the next pack when it is free."""
    busy = [0.0] * workers
    for members in packs:
        free = busy.index(min(busy))
        busy[free] += len(members) * seconds[members[0].structure.dataset]
    return busy


@pytest.mark.parametrize("workers", [2, 3, 5, 7])
def test_every_worker_is_busy_to_the_end(workers: int) -> None:
    seconds = {"synthetic": 3.0, "digits": 1.0}
    by_reading = {(name, "mlp"): cost for name, cost in seconds.items()}
    packs = [members for _, members in make_packs(runs_of(), set(), None, workers, {}, by_reading)]
    busy = ends(packs, workers, seconds)
    assert max(busy) <= 1.2 * sum(busy) / workers
    costs = [len(members) * seconds[members[0].structure.dataset] for members in packs]
    assert costs[0] == max(costs)


def test_the_last_packs_are_split_for_workers_that_would_be_idle() -> None:
    runs = runs_of(datasets=["digits"], losses=["triplet"], miners=["all", "hard", "semihard"])
    whole = make_packs(runs, set(), 26, 1, {})
    assert [len(members) for _, members in whole] == [26, 26, 26]
    assert len(make_packs(runs, set(), 26, 2, {})) > 3


def test_packs_that_were_begun_come_first_and_as_they_were() -> None:
    runs = runs_of()
    begun = [[run.key for run in runs[40:47]]]
    packs = make_packs(runs, {run.key for run in runs[:30]}, None, 2, {}, begun=begun)
    assert [run.key for run in packs[0][1]] == begun[0]
    packed = [run.key for _, members in packs for run in members]
    assert sorted(packed) == sorted(run.key for run in runs[30:])
    forged = [[runs[40].key] * 2, [runs[40].key, runs[-1].key]]  # a run twice, and runs of two structures
    assert [len(members) for _, members in make_packs(runs, set(), 26, 1, {}, begun=forged)] == [26] * 12
    done = {runs[41].key}
    assert len(make_packs(runs, done, None, 2, {}, begun=begun)[0][1]) > 7
