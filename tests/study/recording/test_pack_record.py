"""The record of a pack, made from its result."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from analysis.parameters import PARAMETERS
from study.planning.grid import Round
from study.planning.packing import PlannedPack, make_packs
from study.recording.pack_record import Provenance, make_record
from tests.study.planning.examples import runs_of
from trainables.datasets.registry import load_vectors
from trainables.pack import Member, Structure
from trainables.training.history import History
from trainables.training.loop import train_pack

PROVENANCE = Provenance("1.0+abc", "digest", "cpu", "drawn")


@pytest.fixture(scope="module")
def planned() -> PlannedPack:
    """A pack of two seeds."""
    runs = runs_of(datasets=["digits"], losses=["triplet"], miners=["all"], margins=[0.2], epochs=1, seeds=2)
    (planned,) = make_packs(runs, None, 1, {})
    return planned


@pytest.fixture(scope="module")
def history(planned: PlannedPack) -> History:
    return train_pack(planned.pack, load_vectors("digits"))


def test_the_parameters_of_a_run_are_the_fields_that_determine_its_result() -> None:
    """A new field of a run is a parameter that comparisons know of, or is listed here as one that changes no result."""
    names = {field.name for field in (*fields(Structure), *fields(Member))} - {"evaluate_every", "stop_at"}
    assert sorted(names) == sorted(parameter.name for parameter in PARAMETERS)


def test_a_record_holds_the_points_of_every_run(planned: PlannedPack, history: History) -> None:
    record = make_record(planned, history, 2.5, PROVENANCE, sketched_seed=0)
    assert (record.pack, [run.key for run in record.runs]) == (planned.name, planned.keys)
    assert record.finished - record.started == pytest.approx(2500, abs=1)
    for member, key in enumerate(planned.keys):
        points = record.points[record.points["key"] == key][["metric", "epoch", "value"]]
        assert [tuple(row) for row in points.itertuples(index=False)] == list(history.points(member))


def test_a_record_says_where_it_comes_from_and_which_runs_diverged(planned: PlannedPack, history: History) -> None:
    diverged = history.diverged[1]
    try:
        history.diverged[1] = 1
        record = make_record(planned, history, 1.0, PROVENANCE, sketched_seed=0)
    finally:
        history.diverged[1] = diverged
    origin = {"pack": planned.name, "code_version": "1.0+abc", "data_digest": "digest", "device": "cpu"}
    origin |= {"test_part": "drawn", "search": "grid", "stopped": "false"}
    assert [run.tags for run in record.runs] == [{**origin, "diverged": "false"}, {**origin, "diverged": "epoch 1"}]


def test_a_record_says_in_which_round_of_its_search_a_setting_was_tried(planned: PlannedPack, history: History) -> None:
    """What a search trains beside its budget belongs to none, like a grid."""
    runs = (replace(planned.runs[0], round=Round(2, 24, 6)), planned.runs[1])
    record = make_record(replace(planned, runs=runs), history, 1.0, PROVENANCE, sketched_seed=0)
    first, second = (run.tags for run in record.runs)
    assert (first["round_settings"], first["round_whole"]) == ("24", "6")
    assert not {"round_settings", "round_whole"} & set(second)
    assert [run.key for run in record.runs] == planned.keys


def test_embeddings_are_kept_of_one_seed_with_few_digits(planned: PlannedPack, history: History) -> None:
    record = make_record(planned, history, 1.0, PROVENANCE, sketched_seed=0)
    kept, none = [run.sketch for run in record.runs]
    assert none is None
    assert kept is not None
    sketch = history.sketches[0]
    assert sketch is not None
    scale = max(map(abs, sketch.x + sketch.y))
    assert kept["x"] == pytest.approx(sketch.x, abs=scale * 1e-3)
    assert kept["x"] != sketch.x
    assert kept["label"] == sketch.label
