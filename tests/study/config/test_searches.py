"""Searches that are possible, and one line about those that are not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.config.levels import Range
from study.config.loading import ConfigError, load_config
from study.config.model import StudyConfig
from study.config.searches import SAMPLINGS, round_at_rungs


def searched(**options: Any) -> StudyConfig:
    return load_config("sweep", None, {"search": "sobol", "miners": "all", **options})


def test_a_search_has_a_budget_for_each_seed_and_loss_and_rungs_if_it_halves() -> None:
    """At the last rung stands the default setting too, where every loss may take it."""
    assert (searched().budget, searched().rung_epochs, searched().settings_at_rungs) == (24, (50,), (25,))
    halving = searched(halving=True, settings=36)
    assert (halving.budget, halving.rung_epochs, halving.settings_at_rungs) == (36, (3, 50), (36, 10))
    own = searched(halving=True, rungs="6,17,50", factor=3, settings=18)
    assert (own.rung_epochs, own.settings_at_rungs) == ((6, 17, 50), (18, 6, 3))
    grid = load_config("demo", None, {"margins": "1,2", "miners": "all,hard", "lrs": "1"})
    assert (grid.budget, grid.rung_epochs, grid.settings_at_rungs) == (4, (50,), (4,))


def test_halving_trains_at_least_three_times_fewer_epochs_than_training_every_setting_to_the_end() -> None:
    for epochs in (16, 30, 50, 100, 1000):
        config = searched(halving=True, epochs=epochs, margins="2..10")
        assert not config.tries_default
        trained = sum(map(math.prod, zip(config.rung_epochs, config.settings_at_rungs, strict=True)))
        assert 3 * trained <= config.budget * epochs


def test_where_a_study_gives_no_ranges_each_loss_has_its_own_and_narrower_ones_on_the_unit_sphere() -> None:
    raw, normalized = searched(), searched(normalize="y")
    demo = load_config("demo", None, {"normalize": True})
    assert demo.margins == normalized.margins
    for loss in raw.losses:
        (wide,), (narrow,) = raw.margins.of(loss), normalized.margins.of(loss)
        assert isinstance(wide, Range)
        assert isinstance(narrow, Range)
        assert narrow.high < wide.high
    assert searched(margins=["contrastive=0.1..3", "triplet=1,2"]).margins.of("triplet") == (1.0, 2.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"search": "sobl"}, "--search: unknown search 'sobl': did you mean 'sobol'?"),
        ({"margins": "3..0.1"}, "--margins: the range '3..0.1' is upside down"),
        ({"lrs": "0..0.1"}, "--lrs: the range '0..0.1' is drawn from on a log scale: both of its ends must be above"),
        ({"lrs": "1e-4..x"}, "--lrs: '1e-4..x' is no range: give its ends"),
        ({"lrs": "1e-4..inf"}, "its ends must be finite"),
        ({"margins": "0.1..3,5"}, "--margins of 'contrastive': give one range, or levels to choose from, not both"),
        ({"margins": "1,2", "lrs": "1e-3"}, "needs a range to draw from, and 'contrastive' has levels alone"),
        ({"search": "grid", "margins": "0.1..3"}, "--margins 0.1..3 of 'contrastive' is a range, and a grid tries"),
        ({"search": "grid", "settings": 5}, "--settings is for a search"),
        ({"search": "grid", "factor": 3}, "--factor is for a search"),
        ({"search": "grid", "halving": True}, "--halving is for a search"),
        ({"settings": 10, "halving": True}, "halve brackets of 4 settings (4 to 1 at each): give 8 or 12"),
        ({"settings": 2, "halving": True}, "(4 to 1 at each): give 4"),
        ({"settings": 8, "search": "tpe"}, "tpe draws its first 8 settings at random, and learns from them: give 9 or"),
        ({"halving": True, "rungs": "17,6,50"}, "rungs 17, 6, 50 are out of order"),
        ({"halving": True, "rungs": "50"}, "rungs 50 are out of order: give at least two epochs"),
        ({"halving": True, "rungs": "6,17"}, "the last rung is 17, and runs have 50 epochs"),
        ({"halving": True, "epochs": 1}, "a run of one epoch cannot be stopped earlier"),
        ({"rungs": "6,50"}, "--rungs and --factor are for --halving, which is off"),
        ({"factor": 3}, "--rungs and --factor are for --halving, which is off"),
        ({"hours": 0}, "--hours: input should be greater than 0 (got 0)"),
        ({"hours": "-1"}, "--hours: input should be greater than 0"),
        ({"hours": "nan"}, "--hours: input should be a finite number"),
        ({"hours": 1e9}, "--hours: input should be less than or equal to 10000"),
        ({"hours": "soon"}, "--hours: input should be a valid number"),
        ({"search": "grid", "hours": 1}, "--hours is for a search: a grid trains all of its combinations"),
        ({"hours": 1, "settings": 7}, "with --hours searches go on in rounds of 8 settings: give 8 or more"),
        ({"hours": 1, "settings": 4, "halving": True}, "in rounds of 8 settings: give 8 or more, or leave --hours out"),
        ({"hours": 1, "most_runs": 100}, "are 468 runs, more than 100"),
    ],
)
def test_what_cannot_be_searched_is_one_line_that_says_what_to_do(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        searched(**options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@given(
    low=st.floats(1e-9, 1e9), factor=st.floats(1.001, 1e6), share=st.floats(0, 1), sampling=st.sampled_from(SAMPLINGS)
)
def test_a_range_is_drawn_from_within_its_ends_and_written_as_it_is_read(
    low: float, factor: float, share: float, sampling: str
) -> None:
    own = Range(low, low * factor)
    assert own.low <= own.at(share) <= own.high
    assert own.at(0.0) == pytest.approx(own.low, rel=1e-5)
    assert own.at(1.0) == pytest.approx(own.high, rel=1e-5)
    if sampling != "grid":
        text = f"{own.low!r}..{own.high!r}"
        config = load_config("sweep", None, {"search": sampling, "margins": text})
        assert config.margins.shared == (own,)
        assert StudyConfig.model_validate(config.model_dump()).margins == config.margins


def test_ends_that_lie_hundreds_of_powers_of_ten_apart_are_drawn_between() -> None:
    wide = Range(1e-220, 1e100)
    assert wide.at(0.0) == pytest.approx(1e-220)
    assert wide.at(0.5) == pytest.approx(1e-60)


def test_a_budget_that_is_not_given_makes_whole_brackets() -> None:
    for factor, budget in ((4, 24), (5, 25), (10, 30)):
        assert searched(halving=True, factor=factor).budget == budget


@pytest.mark.parametrize("options", [{}, {"halving": True}, {"search": "tpe", "halving": True, "factor": 3}])
def test_by_the_clock_the_number_of_settings_is_bounded_by_the_most_runs_alone(options: dict[str, Any]) -> None:
    """By whole rounds: one more would be too many."""
    for most_runs in (5000, 100_000):
        config = searched(hours=2.5, most_runs=most_runs, **options)
        in_round = round_at_rungs(config.rung_epochs, config.factor)
        searches = 2 * 2 * 13
        assert config.budget % in_round[0] == 0
        runs = sum(config.settings_at_rungs)
        assert searches * runs <= most_runs < searches * (runs + sum(in_round))
    assert searched(hours=2.5, settings=36, **options).budget == 36


def test_time_takes_the_place_of_a_presets_number_of_settings_and_not_of_ones_own(tmp_path: Path) -> None:
    assert load_config("demo", None, {"hours": "0.5"}).settings is None
    assert load_config("demo", None, {"hours": "0.5", "settings": "16"}).budget == 16
    file = tmp_path / "mine.yaml"
    file.write_text("settings: 24\nhours: 2\n")
    assert load_config("demo", file, {}).budget == 24
    assert load_config("demo", None, {}).budget == 8
