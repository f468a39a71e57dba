from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.arms import ArmPair
from analysis.comparison.pairing import PairedSample, SeedTable, balanced_grid, unmatched_conditions
from analysis.metrics import METRICS, Metric
from analysis.statistics.sign_flips import SignFlips
from tests.analysis.studies import simulated_runs

ARMS = ArmPair("triplet", "contrastive")
MAP = next(metric for metric in METRICS if metric.name == "map_at_r")


def paired(runs: pd.DataFrame, metric: Metric) -> PairedSample:
    return SeedTable(runs, ARMS).sample(metric)


def test_sentence_1_the_datum_is_the_paired_difference() -> None:
    runs = simulated_runs(np.random.default_rng(0), seed_noise=5.0, pair_noise=0.0, run_noise=0.0, effect=0.03)
    sample = paired(runs, MAP)
    np.testing.assert_allclose(sample.differences, 0.03)


def test_sentence_2_conditions_are_averaged_within_a_seed() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=9)
    sample = paired(runs, MAP)
    assert sample.first.shape == (9,)
    expected = runs[runs["loss"] == "triplet"].groupby("seed")[MAP.column].mean()
    np.testing.assert_allclose(sample.first, expected)


def test_sentence_2_pooling_conditions_would_inflate_and_averaging_does_not() -> None:
    rng = np.random.default_rng(2)
    averaged, pooled = 0, 0
    studies = 300
    for _ in range(studies):
        runs = simulated_runs(rng, miners=("all", "hard"), margins=(0.2, 0.5, 1.0))
        averaged += SignFlips(paired(runs, MAP).differences).test().two_sided <= 0.05
        wide = runs.pivot(index=["seed", "miner", "margin"], columns="loss", values=MAP.column)
        pooled += SignFlips((wide["triplet"] - wide["contrastive"]).to_numpy()).test().two_sided <= 0.05
    assert averaged / studies <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies)
    assert pooled / studies > 0.2


def test_sentence_5_a_miner_of_one_loss_only_stays_out() -> None:
    runs = simulated_runs(np.random.default_rng(3), miners=("all", "hard", "semihard"))
    runs = runs[~((runs["loss"] == "contrastive") & (runs["miner"] == "semihard"))]
    assert set(balanced_grid(runs, ARMS)["miner"]) == {"all", "hard"}
    assert len(paired(balanced_grid(runs, ARMS), MAP).first) == 10


def test_sentence_5_a_condition_of_one_loss_only_stays_out_and_is_named() -> None:
    runs = simulated_runs(np.random.default_rng(3), margins=(0.2, 0.5, 1.0))
    runs.loc[runs["margin"] > 0.2, MAP.column] += 0.2
    lacking = runs[~((runs["loss"] == "triplet") & (runs["margin"] > 0.2))]
    assert set(balanced_grid(lacking, ARMS)["margin"]) == {0.2}
    assert abs(paired(balanced_grid(lacking, ARMS), MAP).differences.mean()) < 0.05
    assert unmatched_conditions(lacking, ARMS)[0] == "contrastive all margin=0.5 lr=0.001"
    assert len(unmatched_conditions(lacking, ARMS)) == 4


def test_sentence_5_each_arm_has_margins_of_its_own_if_both_have_equally_many() -> None:
    runs = simulated_runs(np.random.default_rng(3), margins=(0.2, 0.5, 1.0, 2.0), effect=0.05)
    triplet = runs["loss"] == "triplet"
    own = runs[(triplet & (runs["margin"] <= 0.5)) | (~triplet & (runs["margin"] >= 1.0))]
    grid = balanced_grid(own, ARMS)
    assert len(grid) == len(own)
    assert unmatched_conditions(own, ARMS) == []
    assert paired(grid, MAP).differences.mean() == pytest.approx(0.05, abs=0.02)


def test_a_condition_that_stands_twice_is_refused() -> None:
    runs = simulated_runs(np.random.default_rng(16))
    with pytest.raises(ValueError, match="more than once"):
        paired(pd.concat([runs, runs]), MAP)
