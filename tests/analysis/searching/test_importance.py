from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from analysis import importances
from analysis.comparison.settings import longest_runs
from analysis.metrics import SELECTION
from analysis.statistics.intervals import paired_t_interval
from tests.analysis.fabricated import Floats
from tests.analysis.searched import RUNGS, searched_runs
from tests.analysis.studies import simulated_runs


def by_arm(arm: str, margin: Floats, rate: Floats) -> Floats:
    """To one arm the margin matters four times as much as the rate, to the other one the other way round."""
    strong, weak = (margin, rate) if arm == "triplet" else (rate, margin)
    return 0.2 * strong + 0.1 * weak


SEARCHED = searched_runs(np.random.default_rng(0), settings=24, response=by_arm, seeds=5)
HALVED = searched_runs(np.random.default_rng(1), settings=27, response=by_arm, rungs=RUNGS, seeds=3)


@cache
def found() -> pd.DataFrame:
    """The importances of `SEARCHED`."""
    return importances(SEARCHED)


def shares(table: pd.DataFrame, arm: str) -> dict[str, float]:
    own = table[table["loss"] == arm]
    return dict(zip(own["parameter"], own["importance"], strict=True))


def test_sentence_6_importances_are_the_known_shares_of_variance_and_each_loss_has_its_own() -> None:
    table = found()
    assert shares(table, "triplet") == pytest.approx({"miner": 0.0, "margin": 0.8, "lr": 0.2}, abs=0.15)
    assert shares(table, "contrastive") == pytest.approx({"miner": 0.0, "margin": 0.2, "lr": 0.8}, abs=0.15)
    assert set(table["n"]) == {5}
    assert set(table["settings"]) == {24}
    assert set(table["rung"]) == {0}
    own = SEARCHED[SEARCHED["loss"] == "triplet"]
    assert table.loc[table["loss"] == "triplet", "spread"].iloc[0] == pytest.approx(
        own.groupby("seed")[SELECTION].std(ddof=0).mean()
    )


def test_sentence_6_importances_are_means_over_seeds_with_t_intervals() -> None:
    one_by_one = [importances(SEARCHED[SEARCHED["seed"] == seed]).assign(seed=seed) for seed in range(5)]
    assert pd.concat(one_by_one)["low"].isna().all()
    # A seed alone has the range of its own settings: equal to that of all within the few that lie outside.
    alone = np.array([shares(table, "triplet")["lr"] for table in one_by_one])
    (together,) = found().query("loss == 'triplet' and parameter == 'lr'").to_dict("records")
    assert together["importance"] == pytest.approx(alone.mean(), abs=0.03)
    assert (together["low"], together["high"]) == pytest.approx(paired_t_interval(alone), abs=0.06)


def test_equal_seeds_have_an_interval_of_no_width() -> None:
    first = SEARCHED[SEARCHED["seed"] == 0]
    table = importances(pd.concat([first.assign(seed=seed) for seed in range(4)]))
    assert len(table) == 6
    assert table["low"].tolist() == pytest.approx(table["importance"].tolist(), abs=1e-12)
    assert table["high"].tolist() == pytest.approx(table["importance"].tolist(), abs=1e-12)


def test_of_many_seeds_the_first_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.searching.importance._MOST_SEEDS", 2)
    two = importances(SEARCHED)
    assert set(two["n"]) == {2}
    first = importances(SEARCHED[SEARCHED["seed"].isin([0, 1])])  # whose ranges are their own settings
    assert two["importance"].tolist() == pytest.approx(first["importance"].tolist(), abs=0.03)


def test_they_are_the_same_from_call_to_call_and_for_any_order_of_runs() -> None:
    pd.testing.assert_frame_equal(importances(SEARCHED), found(), check_exact=True)
    shuffled = SEARCHED.sample(frac=1.0, random_state=3)
    pd.testing.assert_frame_equal(importances(shuffled), found(), check_exact=True)


def test_test_data_change_nothing() -> None:
    other = SEARCHED.assign(**{"test/map_at_r": np.random.default_rng(4).random(len(SEARCHED))})
    pd.testing.assert_frame_equal(importances(other), found())


def test_a_diverged_run_counts_as_the_worst() -> None:
    high = SEARCHED["lr"] > 3e-3
    diverged = SEARCHED.assign(**{"diverged": high, SELECTION: SEARCHED[SELECTION].where(~high)})
    assert min(shares(importances(diverged), arm)["lr"] for arm in ("triplet", "contrastive")) > 0.7


def test_sentence_6_with_halving_they_are_those_of_the_first_rung_where_no_setting_has_been_stopped() -> None:
    first = HALVED[HALVED["stopped_at"] == RUNGS[0]]
    table = importances(HALVED)
    assert set(table["rung"]) == {RUNGS[0]}
    assert set(table["settings"]) == {27}
    pd.testing.assert_frame_equal(table.assign(rung=0), importances(first.assign(stopped_at=0)))


def test_a_default_setting_that_halving_did_not_compare_stays_out() -> None:
    default = HALVED[HALVED["stopped_at"] == 0].drop_duplicates(["loss", "seed"]).assign(margin=1.0, lr=1e-3)
    pd.testing.assert_frame_equal(importances(pd.concat([HALVED, default])), importances(HALVED))


def test_of_stopped_runs_alone_nothing_is_said() -> None:
    assert importances(longest_runs(HALVED)).empty


def test_sentence_6_too_few_settings_say_nothing() -> None:
    many = SEARCHED.groupby(["loss", "seed"]).cumcount()
    few = importances(SEARCHED[many < 11].assign(miner="all"))
    assert few.empty
    assert list(few) == list(found())
    assert len(importances(SEARCHED[many < 12].assign(miner="all"))) == 2 * 2
    assert set(importances(SEARCHED[(many < 12) | (SEARCHED["seed"] == 2)])["settings"]) == {12}
    one_short = SEARCHED[(many < 12) & ~((SEARCHED["seed"] == 2) & (many == 11))]
    assert set(importances(one_short)["n"]) == {4}


def test_a_single_hyperparameter_has_no_importance_and_no_scores_have_none() -> None:
    assert importances(SEARCHED.assign(miner="all", lr=1e-3)).empty
    assert importances(SEARCHED.drop(columns=SELECTION)).empty
    assert importances(SEARCHED.iloc[:0]).empty
    assert importances(pd.concat([SEARCHED, SEARCHED])).empty


def test_a_grid_has_them_too() -> None:
    margins = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    grid = simulated_runs(np.random.default_rng(0), seeds=3, miners=("all", "hard", "semihard"), margins=margins)
    score = 0.1 * np.log2(grid["margin"]) + 0.1 * (grid["miner"] == "hard") + grid[SELECTION] / 10
    table = importances(grid.assign(**{SELECTION: score / 4 + 0.5}))
    margin, miner = np.log2(margins).var() * 0.01, 0.01 * 2 / 9
    for arm in ("triplet", "contrastive"):
        expected = {"miner": miner / (margin + miner), "margin": margin / (margin + miner)}
        assert shares(table, arm) == pytest.approx(expected, abs=0.1)


def test_sentence_6_five_hyperparameters_take_fifteen_settings() -> None:
    first = SEARCHED[SEARCHED["seed"] == 0]
    runs = first.assign(
        batch_size=np.resize([32, 64], len(first)), normalize=np.resize([True, True, False], len(first))
    )
    many = runs.groupby("loss").cumcount()
    assert importances(runs[many < 14]).empty
    assert len(importances(runs[many < 15])) == 2 * 5


def test_switches_and_sizes_are_hyperparameters_like_others() -> None:
    rng = np.random.default_rng(5)
    size, normal = rng.choice([32, 64, 128], len(SEARCHED)), rng.random(len(SEARCHED)) < 0.5
    score = 0.3 + 0.2 * normal + 0.1 * np.log2(size / 32)
    table = importances(SEARCHED.assign(batch_size=size, normalize=normal, **{SELECTION: score}))
    expected = {"miner": 0.0, "margin": 0.0, "lr": 0.0, "batch_size": 0.4, "normalize": 0.6}
    assert shares(table, "triplet") == pytest.approx(expected, abs=0.15)


def test_no_weight_decay_stands_at_the_lower_end_of_the_range_that_seeds_drew_from() -> None:
    decay = 10 ** np.random.default_rng(6).uniform(-5, -2, len(SEARCHED))
    runs = SEARCHED.assign(weight_decay=decay, **{SELECTION: 0.5 + 0.1 * np.log10(decay)})
    least = runs.groupby(["loss", "seed"])["weight_decay"].transform("min") == decay
    with_zero = runs.assign(weight_decay=runs["weight_decay"].where(~least, 0.0))
    assert (with_zero["weight_decay"] == 0).sum() == 10
    for table in (importances(runs), importances(with_zero)):
        assert shares(table, "triplet")["weight_decay"] > 0.9
