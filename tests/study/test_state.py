"""What a study wants and has."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.store.records import records_folder, write_record
from study.config.loading import load_config
from study.config.model import StudyConfig
from study.data.preparation import run_here
from study.errors import StudyError
from study.planning.packing import make_packs
from study.recording.pack_record import Provenance, make_record
from study.state import StudyState, prepare_datasets, read_state
from tests.study.recording.records import record
from tests.trainables.images import save_classes
from trainables.datasets.digests import array_digest
from trainables.datasets.registry import load_vectors
from trainables.pack import DatasetKey
from trainables.provenance import code_version
from trainables.training.loop import train_pack

DIGITS = DatasetKey("digits", "mlp")


@pytest.fixture
def config(tmp_path: Path) -> StudyConfig:
    """Two runs on each of two datasets."""
    options = {"losses": ["triplet"], "miners": ["all"], "margins": [0.2], "epochs": 1, "seeds": 2}
    return load_config("demo", None, {"storage": tmp_path, "cache": tmp_path / "cache", **options})


def record_digits(
    config: StudyConfig, digest: str | None = None, version: str | None = None, inputs_digest: str = ""
) -> None:
    """Writes a record of the runs on digits, as if they were trained on data or by code of another digest."""
    dataset = load_vectors("digits")
    state = read_state(config)
    (planned,) = make_packs([run for run in state.runs if run.structure.dataset_key == DIGITS], None, 1, {})
    provenance = Provenance(version or code_version(), digest or dataset.digest, "cpu", "drawn", inputs_digest)
    record = make_record(planned, train_pack(planned.pack, dataset), 1.0, provenance, 0)
    write_record(records_folder(config.storage, config.name), record)


def keys_to_train(state: StudyState) -> list[DatasetKey]:
    return [dataset.key for dataset in state.datasets_to_train]


def test_a_new_study_has_nothing(config: StudyConfig) -> None:
    state = read_state(config)
    assert (len(state.runs), state.done, state.records, state.warnings) == (4, set(), [], [])
    assert not state.is_complete
    assert keys_to_train(state) == [DatasetKey("synthetic", "mlp"), DIGITS]


def test_runs_that_are_recorded_are_done(config: StudyConfig) -> None:
    record_digits(config)
    state = read_state(config)
    assert state.done == {run.key for run in state.runs if run.structure.dataset_key == DIGITS}
    assert keys_to_train(state) == [DatasetKey("synthetic", "mlp")]
    alone = read_state(config.model_copy(update={"datasets": ("digits",)}))
    assert alone.is_complete
    assert alone.datasets_to_train == []


def test_a_broken_record_is_a_warning_and_its_runs_are_missing(config: StudyConfig) -> None:
    record_digits(config)
    (path,) = records_folder(config.storage, config.name).iterdir()
    path.write_bytes(path.read_bytes()[:-10])
    state = read_state(config)
    assert (state.done, state.records) == (set(), [])
    (warning,) = state.warnings
    assert "cut short or altered" in warning


def test_results_of_other_code_are_a_warning(config: StudyConfig) -> None:
    record_digits(config, version="0.0+other")
    (warning,) = read_state(config).warnings
    assert "trained by other code or libraries (0.0+other; this is " in warning


def test_the_data_of_recorded_runs_must_be_the_same(config: StudyConfig) -> None:
    record_digits(config)
    datasets, warnings = prepare_datasets(config, read_state(config), run_here)
    assert set(datasets) == {DatasetKey("synthetic", "mlp"), DIGITS}
    assert warnings == []
    for path in records_folder(config.storage, config.name).iterdir():
        path.unlink()
    record_digits(config, digest="other")
    with pytest.raises(StudyError, match=r"the data of 'digits' are not those .* recorded other\): give this study"):
        prepare_datasets(config, read_state(config), run_here)


def test_inputs_that_differ_in_some_bit_from_those_of_recorded_runs_are_a_warning(config: StudyConfig) -> None:
    record_digits(config, inputs_digest=load_vectors("digits").inputs_digest)
    assert prepare_datasets(config, read_state(config), run_here)[1] == []
    for path in records_folder(config.storage, config.name).iterdir():
        path.unlink()
    record_digits(config, inputs_digest="other")
    _, (warning,) = prepare_datasets(config, read_state(config), run_here)
    assert warning.startswith("the inputs of digits for mlp are other numbers than those of some recorded runs")
    assert "recorded other), though of the same images" in warning
    record_digits(config, inputs_digest="x\nerror: delete all")
    assert "\n" not in prepare_datasets(config, read_state(config), run_here)[1][0]


def test_cached_inputs_that_were_exchanged_are_not_trained_on(config: StudyConfig, tmp_path: Path) -> None:
    birds = save_classes(tmp_path / "birds", 8, 10)
    own = {"margins": [1.0], "datasets": [f"folder:{birds}"], "encoder": ["folder:birds=cnn"], "image_size": 16}
    config = load_config("demo", None, {**config.model_dump(include={"storage", "cache", "epochs", "seeds"}), **own})
    prepare_datasets(config, read_state(config), run_here)
    prepare_datasets(config, read_state(config), run_here)
    (note,) = config.cache.glob("*/about.json")
    pixels = np.load(note.with_name("inputs.npy"))[::-1].copy()
    np.save(note.with_name("inputs.npy"), pixels)
    note.write_text(json.dumps({**json.loads(note.read_text()), "digest": array_digest(pixels)}))
    with pytest.raises(StudyError, match="the cached inputs of folder:birds for cnn are not those of its images"):
        prepare_datasets(config, read_state(config), run_here)


def test_a_dataset_whose_runs_are_recorded_is_not_prepared_to_be_compared(
    config: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_digits(config)
    state = read_state(config)
    monkeypatch.setattr("study.state.is_prepared", lambda dataset, cache: False)
    datasets, (warning,) = prepare_datasets(config, replace(state, warnings=[]), run_here)
    assert list(datasets) == [DatasetKey("synthetic", "mlp")]
    assert warning.startswith("digits (mlp) was not compared with the data of its recorded runs")


def test_runs_of_a_miner_whose_window_has_changed_are_not_gone_on_with(
    config: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    semihard = load_config(
        "demo", None, {**config.model_dump(), "losses": ["contrastive"], "miners": ["semihard"], "margins": [0.2]}
    )
    with monkeypatch.context() as older:
        older.setattr("study.planning.grid.objective_version", lambda *_: 1)
        record_digits(semihard)
    with pytest.raises(StudyError, match="has runs of a miner whose margin window has changed since"):
        read_state(semihard)
    assert (
        read_state(config.model_copy(update={"extend": True})).done == set()
    )  # of other runs of that study nothing is in the way


def test_a_record_of_a_run_without_its_parameters_is_left_out_and_named(config: StudyConfig) -> None:
    bad = record(["a"])
    path = write_record(
        records_folder(config.storage, config.name),
        replace(bad, runs=(replace(bad.runs[0], params={"seed": 1, "margin": 1.0}),)),
    )
    state = read_state(config)
    assert state.records == []
    assert state.warnings == [f"{path} is no record of this version (a run has no parameter 'dataset'): move it away"]


def test_more_records_than_the_limit_allows_are_one_error(config: StudyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(records_folder(config.storage, config.name), record(["a"]))
    monkeypatch.setattr("analysis.store.records.MOST_STUDY_POINTS", 1)
    with pytest.raises(StudyError, match="have more than 1 points"):
        read_state(config)


def test_another_study_does_not_join_one_of_its_name_unless_it_is_asked_to(config: StudyConfig) -> None:
    record_digits(config)
    other = config.model_copy(update={"epochs": 2})
    with pytest.raises(StudyError, match=r"holds other runs: epochs 1 \(here 2 alone\): give .* --name demo --extend$"):
        read_state(other)
    assert len(read_state(other.model_copy(update={"extend": True})).runs) == 4
    grown = config.model_copy(update={"seeds": (0, 1, 2)})
    assert len(read_state(grown).done) == 2


def test_a_search_by_the_clock_goes_on_with_one_that_asked_for_all_at_once_and_was_killed(config: StudyConfig) -> None:
    """Of that, settings of the second round are recorded, which the clock has not asked for yet."""
    options: dict[str, Any] = {"margins": "0.1..10", "search": "sobol", "datasets": ["digits"], "epochs": 1, "seeds": 2}
    options |= {"storage": config.storage, "halving": False}
    searched = load_config("demo", None, {**options, "settings": 24})
    state = read_state(searched)
    later = [run for run in state.runs if run.round.number == 1 and run.member.seed == 1][:3]
    (planned, *_) = make_packs(later, None, 1, {})
    dataset = load_vectors("digits")
    provenance = Provenance(code_version(), dataset.digest, "cpu", "drawn", search="sobol")
    record = make_record(planned, train_pack(planned.pack, dataset), 1.0, provenance, 0)
    write_record(records_folder(config.storage, "demo"), record)
    timed = read_state(searched.model_copy(update={"hours": 1.0, "settings": None}))
    assert {run.round.number for run in timed.runs} == {0}
    with pytest.raises(StudyError, match="holds other runs: margin"):
        read_state(load_config("demo", None, {**options, "hours": 1, "margins": "0.1..9"}))
