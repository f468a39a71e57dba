"""A study that grows, and another one under its name."""

from __future__ import annotations

from typing import Any

from analysis.store.record_schema import RunDescription
from study.planning.grid import run_params
from study.planning.joining import differences
from tests.study.planning.examples import runs_of


def recorded(**options: Any) -> list[RunDescription]:
    return [RunDescription(run.key, run_params(run), {}, None) for run in runs_of(seeds=2, **options)]


def test_a_study_that_grows_or_has_been_interrupted_is_the_same_study() -> None:
    runs = runs_of(seeds=3, margins=[0.2, 1.0, 2.0])
    assert differences(runs, recorded()) == differences(runs, recorded()[5:]) == differences(runs, []) == []


def test_what_another_study_has_is_said_field_by_field() -> None:
    (epochs,) = differences(runs_of(seeds=2, epochs=10), recorded())
    assert epochs == "epochs 50 (here 10 alone)"
    several = differences(runs_of(seeds=2, datasets=["digits"], margins=[1.0, 5.0]), recorded(margins=[0.2, 1.0]))
    assert several == ["dataset synthetic (here digits alone)", "margin 0.2 (here 1, 5 alone)"]


def test_values_of_one_loss_that_another_one_asks_for_are_a_difference() -> None:
    asked = runs_of(seeds=2, margins=["contrastive=0.2", "triplet=1.0"])
    (text,) = differences(asked, recorded(margins=["contrastive=1.0", "triplet=0.2"]))
    assert "with other combinations of these values" in text
