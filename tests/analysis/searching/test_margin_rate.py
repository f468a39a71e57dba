from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import landscape
from analysis.comparison.settings import whole_runs
from analysis.metrics import SELECTION
from tests.analysis.searched import RUNGS, searched_runs
from tests.analysis.studies import simulated_runs

DRAWN = searched_runs(np.random.default_rng(0), settings=9, seeds=6)
HALVED = searched_runs(np.random.default_rng(1), settings=9, rungs=RUNGS[:1], seeds=6)


def grid() -> pd.DataFrame:
    """Three margins, two rates and two miners, each seed with each of them."""
    rng = np.random.default_rng(0)
    half = simulated_runs(rng, seeds=4, margins=(0.5, 1.0, 4.0))
    runs = pd.concat([half, half.assign(lr=1e-2)], ignore_index=True)
    return runs.assign(**{SELECTION: rng.random(len(runs)), "test/map_at_r": rng.random(len(runs))})


def test_sentence_6_a_cell_of_a_map_is_the_mean_over_seeds_of_the_means_of_their_runs() -> None:
    runs = grid()
    table = landscape(runs)
    assert len(table) == 2 * 3 * 2
    for row in table.to_dict("records"):
        own = runs[(runs["loss"] == row["loss"]) & (runs["margin"] == row["margin"]) & (runs["lr"] == row["lr"])]
        for name, column in (("validation", SELECTION), ("test", "test/map_at_r")):
            seeds = [own.loc[own["seed"] == seed, column].mean() for seed in range(4)]
            assert row[name] == pytest.approx(np.mean(seeds))
        assert (row["runs"], row["n"], row["diverged"]) == (8, 4, 0)
        assert (row["margin_low"], row["margin_high"], row["lr_low"]) == (row["margin"], row["margin"], row["lr"])


def test_sentence_6_a_seed_with_more_draws_in_a_cell_counts_once_and_no_more_draws_are_better() -> None:
    runs = grid()
    own = (runs["loss"] == "triplet") & (runs["margin"] == 4.0) & (runs["lr"] == 1e-2)
    other = runs[~(own & (runs["miner"] == "hard") & (runs["seed"] > 0))]  # seed 0 has two runs there, the others one
    score = np.select([other["seed"] > 0, other["miner"] == "hard"], [0.5, 0.9], 0.1)
    table = landscape(other.assign(**{SELECTION: score}))
    (cell,) = table[(table["loss"] == "triplet") & (table["margin"] == 4.0) & (table["lr"] == 1e-2)].to_dict("records")
    assert (cell["runs"], cell["n"]) == (5, 4)
    assert cell["validation"] == pytest.approx(0.5)


def test_of_ranges_the_cells_are_fifths_and_empty_ones_are_listed() -> None:
    table = landscape(DRAWN)
    assert len(table) == 2 * 25
    for arm, cells in table.groupby("loss"):
        own = DRAWN[DRAWN["loss"] == arm]
        assert cells["runs"].sum() == len(own)
        assert (cells["margin_low"].min(), cells["margin_high"].max()) == (own["margin"].min(), own["margin"].max())
        for cell in cells.to_dict("records"):
            inside = own[
                own["margin"].between(cell["margin_low"], cell["margin_high"])
                & own["lr"].between(cell["lr_low"], cell["lr_high"])
            ]
            assert cell["runs"] == len(inside)
    empty = table[table["runs"] == 0]
    assert len(empty) > 0
    assert empty[["validation", "test"]].isna().all(axis=None)
    assert not empty["n"].any()
    assert table.loc[table["runs"] > 0, ["validation", "test"]].notna().all(axis=None)


def test_a_diverged_run_counts_as_zero() -> None:
    runs = grid().assign(**{SELECTION: 0.8})
    high = runs["lr"] == 1e-2
    diverged = high & (runs["miner"] == "hard")
    table = landscape(runs.assign(**{"diverged": diverged, SELECTION: runs[SELECTION].where(~diverged)}))
    assert table.groupby("lr")["validation"].agg(set).to_dict() == {1e-3: {0.8}, 1e-2: {0.4}}
    assert table.groupby("lr")["diverged"].agg(set).to_dict() == {1e-3: {0}, 1e-2: {4}}


def test_stopped_runs_stay_out_and_leave_the_cells_where_they_were() -> None:
    table = landscape(HALVED)
    assert table["runs"].sum() == len(whole_runs(HALVED))
    for arm, cells in table.groupby("loss"):
        own = HALVED[HALVED["loss"] == arm]
        for name in ("margin", "lr"):
            ends = (cells[f"{name}_low"].min(), cells[f"{name}_high"].max())
            assert ends == (own[name].min(), own[name].max())


def test_there_is_a_map_only_where_both_vary_and_each_run_stands_once() -> None:
    runs = grid()
    assert landscape(runs[runs["lr"] == 1e-3]).empty
    assert list(landscape(runs[runs["lr"] == 1e-3])) == list(landscape(runs))
    assert set(landscape(runs[(runs["loss"] == "triplet") | (runs["margin"] == 1.0)])["loss"]) == {"triplet"}
    assert landscape(pd.concat([runs, runs])).empty
    assert landscape(runs.drop(columns=SELECTION))["validation"].isna().all()


def test_an_index_that_repeats_does_no_harm() -> None:
    runs = grid()
    runs.index = [0] * len(runs)
    pd.testing.assert_frame_equal(landscape(runs), landscape(grid()))
