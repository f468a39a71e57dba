from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from analysis.parameters import PARAMETERS
from study.config.loading import load_config
from study.data.sources import EncodedDataset
from study.planning.grid import expand, run_params
from tests.study.planning.examples import runs_of
from trainables.objectives.objective import objective_version
from trainables.pack import Structure


def keys(**options: Any) -> set[str]:
    return {run.key for run in runs_of(**options)}


def test_every_run_has_its_own_key() -> None:
    assert len(keys()) == 312
    assert len(keys(datasets=["synthetic", "digits", "synthetic"])) == 312


def test_more_seeds_margins_or_datasets_add_to_a_study() -> None:
    assert keys() < keys(seeds=15)
    assert keys() < keys(margins=[0.2, 0.5, 1.0])
    assert keys(datasets=["digits"]) < keys()


def test_each_loss_is_trained_with_its_own_values_alone() -> None:
    runs = runs_of(
        miners=["contrastive=all,hard", "triplet=semihard,all"],
        margins=["contrastive=0.5,2", "triplet=0.2,1"],
        lrs={"contrastive": 1e-3, "triplet": 1e-4},
    )
    assert len({run.key for run in runs}) == len(runs) == 2 * 2 * (2 * 2 * 1) * 13
    tried = {(run.structure.loss, run.structure.miner, run.member.margin, run.member.lr) for run in runs}
    assert tried == {
        *itertools.product(["contrastive"], ["all", "hard"], [0.5, 2.0], [1e-3]),
        *itertools.product(["triplet"], ["semihard", "all"], [0.2, 1.0], [1e-4]),
    }


def test_values_of_one_loss_alone_leave_the_runs_of_the_others_as_they_were() -> None:
    before, after = runs_of(), runs_of(margins=["contrastive=0.5,2", "triplet=0.2,1"])
    assert [run for run in after if run.structure.loss == "triplet"] == [
        run for run in before if run.structure.loss == "triplet"
    ]
    assert not {run.key for run in after if run.structure.loss == "contrastive"} & {run.key for run in before}


def digest(keys: Iterable[str]) -> str:
    return hashlib.sha256("".join(keys).encode()).hexdigest()[:16]


def test_keys_and_their_order_are_those_of_studies_that_are_recorded() -> None:
    runs = runs_of()
    same = [run for run in runs if objective_version(run.structure.loss, run.structure.miner) == 1]
    assert len(same) == 260
    assert runs[0].key == same[0].key == "910dbd02307da879"  # pragma: allowlist secret
    assert digest(run.key for run in same) == "fc86da6b2c1daa5d"  # pragma: allowlist secret


def test_runs_whose_objective_has_changed_since_have_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    now = runs_of()
    monkeypatch.setattr("study.planning.grid.objective_version", lambda *_: 1)
    before = runs_of()
    assert digest(run.key for run in before) == "81bb4a711c6c12a1"  # pragma: allowlist secret
    changed = [run.structure for run, old in zip(now, before, strict=True) if run.key != old.key]
    assert {(structure.loss, structure.miner) for structure in changed} == {("contrastive", "semihard")}
    assert len(changed) == 52


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
        features = EncodedDataset("cub200", "resnet18", "disjoint", "pk", False, 100, 20, (512,), weights=path)
        found.append({run.key for run in expand(config, [features])})
    assert not found[0] & found[1]


def test_where_and_how_it_runs_is_not_in_a_key() -> None:
    assert keys() == keys(pack_size=3, storage="/elsewhere", name="other", evaluate_every=1)


def test_a_structure_has_no_field_that_its_key_does_not_know() -> None:
    """The author of a new field must decide whether it changes results."""
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
        "stop_at",
    }


def test_parameters_are_recorded_with_the_kind_that_they_are_declared_with() -> None:
    run = runs_of(datasets=["digits"], losses=["triplet"])[1]
    params = run_params(run)
    assert list(params) == [parameter.name for parameter in PARAMETERS]
    assert all(type(params[parameter.name]) is parameter.kind for parameter in PARAMETERS)
    assert (params["dataset"], params["loss"], params["margin"], params["seed"]) == ("digits", "triplet", 0.2, 1)


@pytest.mark.parametrize(("sampler", "recorded"), [("shuffle", 0), ("pk", 4)])
def test_samples_per_class_are_recorded_for_the_sampler_that_uses_them(sampler: str, recorded: int) -> None:
    run = runs_of()[0]
    run = replace(run, structure=replace(run.structure, sampler=sampler, samples_per_class=4))
    assert run_params(run)["samples_per_class"] == recorded
