"""Packs: every run once, within the memory, no worker idle at the end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from study.config.loading import load_config
from study.data.sources import EncodedDataset, find_datasets
from study.planning.grid import expand
from study.planning.packing import PlannedPack, largest_packs, make_packs, pack_limits
from tests.study.planning.examples import runs_of
from trainables.pack import DatasetKey


def test_packs_hold_every_missing_run_once_and_share_their_structure() -> None:
    runs = runs_of()
    done = {run.key for run in runs[::7]}
    packs = make_packs([run for run in runs if run.key not in done], pack_size=6, workers=2, limits={})
    packed = [key for planned in packs for key in planned.keys]
    assert sorted(packed) == sorted(run.key for run in runs if run.key not in done)
    for planned in packs:
        assert len(planned.pack.members) <= 6
        assert [run.member for run in planned.runs] == list(planned.pack.members)
        assert {run.structure for run in planned.runs} == {planned.pack.structure}
    assert len({planned.name for planned in packs}) == len(packs)
    key = DatasetKey("digits", "mlp")
    own = [planned for planned in packs if planned.pack.structure.dataset_key == key]
    assert largest_packs(packs)[key] == max(len(planned.runs) for planned in own) > 1


def test_every_worker_gets_a_pack() -> None:
    runs = runs_of(datasets=["digits"], losses=["triplet"], miners=["all"])
    assert len(make_packs(runs, None, workers=4, limits={})) == 4
    assert make_packs([], None, workers=4, limits={}) == []


def test_packs_of_large_images_stay_within_the_memory() -> None:
    config = load_config("sweep", None, {"datasets": ["mnist"]})
    sizes = {}
    for side in (28, 64, 256):
        images = EncodedDataset("mnist", "cnn", "closed", "shuffle", False, 70_000, 10, (1, side, side))
        limits = pack_limits(config, [images])
        packs = make_packs(expand(config, [images]), 32, 2, limits)
        sizes[side] = max(len(planned.runs) for planned in packs)
        assert 64 * 32 * side**2 * 4 * sizes[side] < 2**30
    assert sizes[28] > sizes[64] > sizes[256] == 1


def test_the_draws_of_a_pack_stay_within_the_memory() -> None:
    """4, 117 and 781 MiB a draw: 13 draws, 8 of them, a single one; and two seeds never have more than two draws."""
    limits = {}
    for samples, seeds in ((100, 13), (3000, 13), (20_000, 13), (3000, 2)):
        options = {"samples_per_class": samples, "dim": 1024}
        config = load_config("demo", None, {"datasets": ["synthetic"], "synthetic": options, "seeds": seeds})
        limits[samples, seeds] = pack_limits(config, find_datasets(config)[0])[DatasetKey("synthetic", "mlp")]
    assert [limits[samples, 13] for samples in (100, 3000, 20_000)] == [32, 8, 1]
    assert limits[3000, 2] > 8


PLAN = """
import time
from study.config.loading import load_config
from study.planning.grid import expand
from study.planning.packing import make_packs, pack_limits
from study.data.sources import find_datasets
margins = [0.01 * step for step in range(1, 141)]
config = load_config("demo", None, {"miners": ["all", "semihard", "hard"], "margins": margins, "seeds": 30})
started = time.process_time()
datasets, _ = find_datasets(config)
runs = expand(config, datasets)
packs = make_packs(runs, None, 64, pack_limits(config, datasets))
assert len(runs) == sum(len(planned.runs) for planned in packs) == 50_400
peak = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]  # ru_maxrss would count the parent
print(time.process_time() - started, int(peak) / 2**20)
"""


def test_a_plan_of_50000_runs_is_made_in_seconds_and_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", PLAN], capture_output=True, text=True, check=True)
    seconds, gibibytes = map(float, done.stdout.split())
    assert seconds < 5
    assert gibibytes < 1


def cost(planned: PlannedPack, seconds: dict[DatasetKey, float]) -> float:
    return len(planned.runs) * seconds[planned.pack.structure.dataset_key]


def ends(packs: list[PlannedPack], workers: int, seconds: dict[DatasetKey, float]) -> list[float]:
    """When each worker ends if a free worker always takes the next pack."""
    busy = [0.0] * workers
    for planned in packs:
        busy[busy.index(min(busy))] += cost(planned, seconds)
    return busy


@pytest.mark.parametrize("workers", [2, 3, 5, 7])
def test_every_worker_is_busy_to_the_end(workers: int) -> None:
    seconds = {DatasetKey("synthetic", "mlp"): 3.0, DatasetKey("digits", "mlp"): 1.0}
    packs = make_packs(runs_of(), None, workers, {}, lambda structure: seconds[structure.dataset_key])
    busy = ends(packs, workers, seconds)
    assert max(busy) <= 1.2 * sum(busy) / workers
    costs = [cost(planned, seconds) for planned in packs]
    assert costs[0] == max(costs)


def test_the_last_packs_are_split_for_workers_that_would_be_idle() -> None:
    runs = runs_of(datasets=["digits"], losses=["triplet"], miners=["all", "hard", "semihard"])
    unsplit = make_packs(runs, 26, 1, {})
    assert [len(planned.runs) for planned in unsplit] == [26, 26, 26]
    assert len(make_packs(runs, 26, 2, {})) > 3


def test_interrupted_packs_come_first_and_keep_their_runs() -> None:
    runs = runs_of()
    interrupted = [[run.key for run in runs[40:47]]]
    packs = make_packs(runs[30:], None, 2, {}, interrupted=interrupted)
    assert packs[0].keys == interrupted[0]
    packed = [key for planned in packs for key in planned.keys]
    assert sorted(packed) == sorted(run.key for run in runs[30:])
    forged = [[runs[40].key] * 2, [runs[40].key, runs[-1].key]]  # a run twice, and runs of two structures
    assert [len(planned.runs) for planned in make_packs(runs, 26, 1, {}, interrupted=forged)] == [26] * 12
    left = [run for run in runs if run.key != runs[41].key]
    assert len(make_packs(left, None, 2, {}, interrupted=interrupted)[0].runs) > 7
