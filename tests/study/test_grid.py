from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from study.config import load_config
from study.grid import Run, expand, make_packs, pack_id, pack_limits
from study.readings import Reading, find_readings
from trainables.spec import Structure


def runs_of(**options: Any) -> list[Run]:
    config = load_config("demo", None, options)
    return expand(config, find_readings(config)[0])


def keys(**options: Any) -> set[str]:
    return {run.key for run in runs_of(**options)}


def test_every_run_has_its_own_key() -> None:
    assert len(keys()) == 312
    assert len(keys(datasets=["synthetic", "digits", "synthetic"])) == 312


def test_more_seeds_margins_or_datasets_add_to_a_study() -> None:
    assert keys() < keys(seeds=15)
    assert keys() < keys(margins=[0.2, 0.5, 1.0])
    assert keys(datasets=["digits"]) < keys()


@pytest.mark.parametrize(
    "options",
    [{"epochs": 49}, {"batch_size": 32}, {"sampler": "pk"}, {"embedding_dim": 64}, {"normalize": True}],
)
def test_what_determines_a_result_is_in_its_key(options: dict[str, Any]) -> None:
    assert not keys() & keys(**options)


def test_the_shape_of_the_synthetic_data_is_in_the_keys_of_its_runs_alone() -> None:
    assert not keys(datasets=["synthetic"]) & keys(datasets=["synthetic"], synthetic={"spread": 2.0})
    assert keys(datasets=["digits"]) == keys(datasets=["digits"], synthetic={"spread": 2.0})


def test_the_weights_of_a_backbone_are_in_the_keys_of_its_runs(tmp_path: Path) -> None:
    config, found = load_config("demo", None, {}), []
    for content in (b"one", b"two"):
        path = tmp_path / content.decode()
        path.write_bytes(content)
        reading = Reading("cub200", "resnet18", "disjoint", "pk", False, 100, 20, (512,), weights=path)
        found.append({run.key for run in expand(config, [reading])})
    assert not found[0] & found[1]


def test_where_and_how_it_runs_is_not_in_a_key() -> None:
    assert keys() == keys(pack_size=3, storage="/elsewhere", name="other", evaluate_every=1)


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


def test_a_plan_of_50000_runs_is_made_in_seconds() -> None:
    import time

    started = time.perf_counter()
    margins = [0.01 * step for step in range(1, 141)]
    runs = runs_of(margins=margins, seeds=30)
    packs = make_packs(runs, set(), None, workers=2, limits={})
    assert len(runs) == 2 * 2 * 3 * 140 * 30
    assert sum(len(members) for _, members in packs) == len(runs)
    assert time.perf_counter() - started < 5


def test_a_structure_has_no_field_that_its_key_does_not_know() -> None:
    """A new field changes results or is listed as one that does not: this test makes its author decide."""
    assert {field.name for field in fields(Structure)} == {
        "dataset",
        "encoder",
        "split",
        "loss",
        "miner",
        "epochs",
        "batch_size",
        "sampler",
        "samples_per_class",
        "embedding_dim",
        "normalize",
        "augment",
        "evaluate_every",
    }
