from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from study.config import load_config
from study.grid import Run, expand
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
