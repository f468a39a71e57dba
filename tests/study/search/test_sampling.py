"""Settings drawn with Optuna, reproducibly."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import qmc

from study.config.levels import Range
from study.planning.grid import Setting
from study.search.sampling import Told, drawn_settings, tpe_settings
from study.search.search import Ask
from study.search.space import Space
from tests.study.search.examples import score_of, space

ONE = space(margin=Range(0.1, 1000.0), lr=Range(1e-4, 1e-2))
OTHER = space(miner=("all", "hard"), margin=Range(0.01, 10.0), lr=(1e-3, 1e-2))
MORE = space(
    *("weight_decay", "batch_size", "normalize"),
    margin=Range(0.01, 1000.0),
    lr=Range(1e-4, 1e-2),
    weight_decay=Range(1e-6, 1e-2),
    batch_size=(32, 64),
    normalize=(False, True),
)
PRINTED = """
from tests.study.search.test_sampling import *
print(drawn_settings(OTHER, "sobol", "digits", 5, 9), tpe_settings(ONE, "digits", 5, told(9), 9))
"""


def told(count: int) -> tuple[Told, ...]:
    settings = drawn_settings(ONE, "tpe", "digits", 5, count)
    return tuple(Told(setting, ((50, score_of(Ask(setting, 50))),), False) for setting in settings)


@pytest.mark.parametrize("sampling", ["random", "sobol", "tpe"])
def test_more_settings_begin_with_the_same_ones(sampling: str) -> None:
    for each in (ONE, OTHER, MORE):
        few, many = (drawn_settings(each, sampling, "digits", 3, count) for count in (9, 30))
        assert many[:9] == few
        assert len(set(many)) == 30


@pytest.mark.parametrize("sampling", ["random", "sobol", "tpe"])
def test_all_losses_draw_the_same_points_of_the_unit_cube_and_seeds_and_datasets_others(sampling: str) -> None:
    def shares(of: Space, dataset: str = "digits", seed: int = 0) -> list[float]:
        margins = dict(of.own)["margin"]
        assert isinstance(margins, Range)
        low, high = math.log(margins.low), math.log(margins.high)
        settings = drawn_settings(of, sampling, dataset, seed, 9)
        return [(math.log(setting.margin) - low) / (high - low) for setting in settings]

    assert shares(OTHER) == pytest.approx(shares(ONE), abs=1e-5)
    assert shares(ONE, seed=1) != pytest.approx(shares(ONE), abs=1e-2)
    assert shares(ONE, dataset="synthetic") != pytest.approx(shares(ONE), abs=1e-2)


def test_sobol_fills_the_space_more_evenly_than_chance() -> None:
    def discrepancy(sampling: str, seed: int) -> float:
        settings = drawn_settings(ONE, sampling, "digits", seed, 32)
        points = np.log([[each.margin, each.lr] for each in settings])
        unit = qmc.scale(points, np.log([0.1, 1e-4]), np.log([1000.0, 1e-2]), reverse=True)
        return float(qmc.discrepancy(np.clip(unit, 0, 1)))

    for seed in range(5):
        assert discrepancy("sobol", seed) < 0.7 * discrepancy("random", seed)


def test_another_process_draws_the_same() -> None:
    printed = subprocess.run([sys.executable, "-c", PRINTED], capture_output=True, text=True, check=True).stdout
    here = f"{drawn_settings(OTHER, 'sobol', 'digits', 5, 9)} {tpe_settings(ONE, 'digits', 5, told(9), 9)}"
    assert printed.strip() == here


def test_tpe_learns_from_what_it_is_told() -> None:
    """It comes nearer to the best setting than the settings that it starts from."""
    seen = told(27)

    def distance(setting: Setting) -> float:
        return abs(math.log(setting.margin / 4)) + abs(math.log(setting.lr / 1e-3))

    proposed = tpe_settings(ONE, "digits", 5, seen, 9)
    assert np.mean([distance(each) for each in proposed]) < 0.7 * np.mean([distance(each.setting) for each in seen])
    assert not {each.setting for each in seen} & {*proposed}


def test_a_setting_that_diverged_is_spent_and_worst() -> None:
    *others, best = sorted(told(9), key=lambda each: each.scores[0][1])
    proposed, after_divergence, after_nothing = (
        tpe_settings(ONE, "digits", 5, (*others, best._replace(scores=((50, score),))), 3)
        for score in (best.scores[0][1], -math.inf, 0.0)
    )
    assert proposed != after_divergence == after_nothing
