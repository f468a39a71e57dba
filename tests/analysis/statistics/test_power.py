"""What seeds can show: before a study, and of one that left something undecided."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis import verdicts
from analysis.metrics import GRID_AVERAGE, ROPE
from analysis.statistics.power import decision_power, more_seeds
from analysis.statistics.sign_flips import SignFlips, smallest_p
from tests.analysis.studies import simulated_runs, with_one_metric


def averaged(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    return table[(table["estimand"] == GRID_AVERAGE) & (table["metric"] == metric)]


UNDECIDED = {  # mean, spread and half-width of the region of practical equivalence
    "difference": (0.020, 0.022, 0.01),
    "difference within the rope": (-0.008, 0.013, 0.01),
    "equivalence": (0.0, 0.012, 0.01),
    "equivalence of a ratio": (math.log(1.01), 0.11, math.log(1.1)),
}


@pytest.mark.parametrize("tests", [1, 4, 16])
@pytest.mark.parametrize("name", UNDECIDED)
def test_the_seeds_asked_for_decide_about_as_often_as_the_power_says(name: str, tests: int) -> None:
    mean, spread, rope = UNDECIDED[name]
    seeds = 8 + int(more_seeds(mean, spread, rope, 8, tests))
    rng, level, decided = np.random.default_rng(18), 0.05 / tests, 0
    for _ in range(120):
        flips = SignFlips(rng.normal(mean, spread, seeds))
        p_values = flips.test().two_sided, flips.minimum_effect_p(rope), flips.equivalence_p(rope)
        decided += min(p_values) <= level
    assert 0.65 <= decided / 120 <= 0.95


def test_fewer_seeds_than_asked_for_have_less_power() -> None:
    more = int(more_seeds(0.0, 0.012, 0.01, seeds=10, tests=4))
    assert decision_power(0.0, 0.012, 0.01, 10 + more, 4) >= 0.8 > decision_power(0.0, 0.012, 0.01, 9 + more, 4)
    assert decision_power(0.02, 0.01, 0.01, 7) == 0.0


def test_a_difference_from_zero_decides_sooner_than_one_from_the_rope() -> None:
    assert (
        more_seeds(0.0101, 0.015, 0.01, seeds=10, tests=1) < 20
    )  # to exceed the region by so little would take tens of thousands


def test_sentence_13_seeds_asked_for_can_reach_the_threshold() -> None:
    for tests in (1, 18, 100):
        seeds = 8 + int(more_seeds(0.05, 0.0, 0.01, 8, tests))
        assert smallest_p(seeds) <= 0.05 / tests
        assert seeds == 9 or smallest_p(seeds - 1) > 0.05 / tests
    assert math.isinf(more_seeds(0.05, 0.0, 0.01, seeds=8, tests=10_000))


def test_no_number_of_seeds_is_named_where_it_is_not_known() -> None:
    assert math.isnan(more_seeds(math.nan, 0.01, 0.01, seeds=8, tests=1))
    assert math.isnan(more_seeds(0.01, math.nan, 0.01, seeds=8, tests=1))


def test_more_seeds_are_named_for_undecided_verdicts_alone() -> None:
    runs = simulated_runs(np.random.default_rng(10), seeds=13, pair_noise=0.05)
    table = verdicts(runs)
    undecided = table["verdict"] == "undecided"
    assert undecided.any()
    assert (table.loc[undecided, "more_seeds"] >= 1).all()
    decided = verdicts(simulated_runs(np.random.default_rng(7), seeds=13, effect=0.1))
    assert decided.loc[decided["verdict"] == "triplet", "more_seeds"].isna().all()
    runs["train/loss_decay_censored"] = 1.0
    decay = averaged(verdicts(runs), "loss_decay_epochs").iloc[0]
    assert decay["verdict"] == "undecided"
    assert math.isnan(decay["more_seeds"])


@pytest.mark.parametrize(
    ("effect", "pair_noise"), [(0.02, 0.014), (0.012, 0.009), (0.0, 0.0065)], ids=["large", "small", "equivalent"]
)
def test_whole_studies_decide_about_as_often_as_the_power_says(effect: float, pair_noise: float) -> None:
    spread = math.sqrt(2 * pair_noise**2 + 2 * 0.002**2 / 4)
    expected = decision_power(effect, spread, ROPE["share"], seeds=11, tests=3)
    assert 0.6 < expected < 0.75
    rng, verdict = np.random.default_rng(20), []
    for _ in range(20):
        runs = simulated_runs(rng, seeds=11, datasets=("a", "b", "c"), effect=effect, pair_noise=pair_noise)
        verdict += averaged(verdicts(with_one_metric(runs)), "map_at_r")["verdict"].tolist()
    named = {"triplet", "triplet, small"} if effect else {"equivalent"}
    share = np.mean([given in named for given in verdict])
    assert expected - 0.12 <= share <= expected + 0.2  # Holm's later steps ask for less than the first
