"""What each loss may take, and the same in Optuna's terms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.config.levels import Range
from study.planning.grid import Setting
from study.search.sampling import Told, as_trial, drawn_settings, tpe_settings
from study.search.search import method_of
from study.search.space import Space, space_of
from tests.study.search.examples import searched

EVERYTHING = {
    "weight_decays": "1e-6..1e-2",
    "batch_size": "32,64",
    "embedding_dim": ["contrastive=64,128", "triplet=128"],
    "normalize": "false,true",
    "miners": "all,hard",
}
LIMITS = {"contrastive": 256.0, "triplet": 4.0}


def spaces(**options: object) -> dict[str, Space]:
    config = searched(**{**EVERYTHING, **options})
    return {loss: space_of(config, loss) for loss in config.losses}


def of(setting: Setting, space: Space) -> bool:
    """Whether a setting lies in a space, the sphere left aside."""
    values = setting._asdict()
    return all(
        own.low <= values[name] <= own.high if isinstance(own, Range) else values[name] in own
        for name, own in space.own
    )


@pytest.mark.parametrize("loss", LIMITS)
@given(point=st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_every_point_of_the_cube_is_a_setting_of_the_space(loss: str, point: list[float]) -> None:
    space = SPACES[loss]
    assert of(space.at(point), space)


def test_where_normalisation_is_a_choice_no_margin_is_wider_than_is_of_use_on_the_sphere() -> None:
    for loss, space in SPACES.items():
        settings = drawn_settings(space, "sobol", "digits", 0, 200)
        margins = {
            normalize: [each.margin for each in settings if each.normalize == normalize] for normalize in (False, True)
        }
        assert 0.7 * LIMITS[loss] < max(margins[True]) <= LIMITS[loss] < max(margins[False])
        assert np.median(margins[True]) < np.median(margins[False])


def test_a_range_for_normalised_embeddings_alone_stays_as_it_is() -> None:
    settings = drawn_settings(spaces(normalize="true", margins="1..100")["triplet"], "random", "digits", 0, 60)
    assert max(setting.margin for setting in settings) > 40


def test_a_range_beyond_the_sphere_stays_as_it_is() -> None:
    settings = drawn_settings(spaces(margins="5..50")["triplet"], "random", "digits", 0, 60)
    assert min(setting.margin for setting in settings if setting.normalize) > 5


def test_tpe_samples_alike_for_all_losses() -> None:
    """Though the margin of one of them may go beyond the sphere."""
    config = searched(normalize="false,true", margins="0.1..30")
    both = [space_of(config, loss) for loss in config.losses]
    assert [space.is_conditional for space in both] == [False, True]
    assert [space.in_groups for space in both] == [True, True]


def test_the_order_in_which_choices_are_written_changes_nothing() -> None:
    for name, values in (("batch_size", [32, 64, 128]), ("embedding_dim", [64, 128]), ("normalize", [False, True])):
        assert searched(**{name: values}) == searched(**{name: values[::-1]})


def test_losses_stand_at_the_same_points_whatever_they_may_take() -> None:
    first, second = (drawn_settings(space, "sobol", "digits", 3, 32) for space in SPACES.values())
    assert {each.embedding_dim for each in first} == {64, 128}
    assert {each.embedding_dim for each in second} == {128}
    for name in ("miner", "weight_decay", "batch_size", "normalize", "lr"):
        assert [getattr(each, name) for each in first] == [getattr(each, name) for each in second]


def test_what_no_loss_varies_has_no_coordinate() -> None:
    """So a search that leaves the other hyperparameters alone draws what it drew before there were any."""
    plain = space_of(searched(), "triplet")
    assert plain.coordinates == ("margin", "lr", "miner")
    assert SPACES["triplet"].coordinates == (*plain.coordinates, *SPACE_ONLY)


@pytest.mark.parametrize("loss", LIMITS)
def test_a_setting_and_its_trial_are_the_same(loss: str) -> None:
    space = SPACES[loss]
    for setting in drawn_settings(space, "random", "digits", 1, 20):
        trial = as_trial(space, Told(setting, ((50, 0.5),), False))
        names = {"margin (normalized)" if name == "margin" and setting.normalize else name for name in VARYING[loss]}
        assert set(trial.params) == names
        assert {*trial.params.values()} <= {*setting}


@pytest.mark.parametrize("loss", LIMITS)
def test_tpe_proposes_settings_of_the_space_also_of_margins_that_depend_on_the_normalisation(loss: str) -> None:
    """It learns which normalisation is better, and where the margin is best there."""
    space = SPACES[loss]

    def score(setting: Setting) -> float:
        return (0.5 if setting.normalize else 0.1) - 0.05 * abs(np.log(setting.margin / 0.5))

    told = tuple(
        Told(setting, ((50, score(setting)),), False) for setting in drawn_settings(space, "tpe", "digits", 2, 40)
    )
    proposed = tpe_settings(space, "digits", 2, told, 8)
    assert all(of(setting, space) for setting in proposed)
    assert sum(setting.normalize for setting in proposed) >= 6
    assert np.mean([score(each) for each in proposed]) > np.mean([score(each.setting) for each in told]) + 0.1


def test_the_default_setting_has_no_weight_decay_and_the_usual_choices() -> None:
    config = searched(**EVERYTHING)
    first = method_of(config).first
    assert first == Setting("all", 1.0, 1e-3, 0.0, 64, 128, False)
    trial = as_trial(SPACES["triplet"], Told(first, ((50, 0.5),), False))
    assert trial.params["weight_decay"] == 1e-6  # the nearest that the range has
    assert method_of(searched(batch_size="32,256")).first == first._replace(batch_size=256)
    assert method_of(searched(batch_size=["contrastive=32", "triplet=64"])).first is None


SPACES = spaces()
SPACE_ONLY = ("weight_decay", "batch_size", "embedding_dim", "normalize")
VARYING = {
    "contrastive": ("margin", "lr", "miner", *SPACE_ONLY),
    "triplet": ("margin", "lr", "miner", "weight_decay", "batch_size", "normalize"),
}
