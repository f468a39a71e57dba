"""Searches that time has ended: rounds that not all seeds have completed are set aside, whatever their scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import verdicts
from analysis.comparison.arms import ArmPair
from analysis.comparison.comparisons import Comparison, comparisons
from analysis.comparison.settings import in_equal_rounds
from analysis.metrics import AT_DEFAULT, TUNED
from tests.analysis.searched import RUNGS, rounds_of_runs, searched_runs
from tests.analysis.studies import simulated_runs

ARMS = ArmPair("triplet", "contrastive")
PLAIN = rounds_of_runs(np.random.default_rng(0))
HALVED = rounds_of_runs(np.random.default_rng(1), rungs=RUNGS)
SIZE, SEEDS = 9, 13


def compared(runs: pd.DataFrame) -> Comparison:
    (comparison,) = comparisons(runs)
    return comparison


def up_to(runs: pd.DataFrame, rounds: int) -> pd.DataFrame:
    return runs[runs["round_settings"] <= SIZE * rounds]


def with_default(runs: pd.DataFrame) -> pd.DataFrame:
    """The same with the default setting, which each search trains beside its budget."""
    default = searched_runs(np.random.default_rng(2), settings=1, search="sobol", miners=["all"])
    default = default.assign(key="default-" + default["key"], margin=1.0, lr=1e-3, round_settings=0, round_whole=0)
    return pd.concat([runs, default], ignore_index=True)


@pytest.mark.parametrize("runs", [PLAIN, HALVED], ids=["plain", "halved"])
@pytest.mark.parametrize("late", ["triplet", "contrastive", "contrastive|triplet"])
def test_sentence_4_a_round_that_some_seeds_have_not_completed_is_set_aside(runs: pd.DataFrame, late: str) -> None:
    cut = runs["loss"].isin(late.split("|")) & (runs["seed"] > 4) & (runs["round_settings"] == 3 * SIZE)
    comparison = compared(runs[~cut])
    assert (comparison.tuned.budget, comparison.tuned.refused) == (2 * SIZE, None)
    assert set(comparison.aside["key"]) == set(runs.loc[~cut & (runs["round_settings"] == 3 * SIZE), "key"])
    assert set(comparison.tuned.runs["seed"]) == {*range(SEEDS)}
    pd.testing.assert_frame_equal(verdicts(runs[~cut]), verdicts(up_to(runs, 2)))


def test_sentence_4_a_loss_that_is_a_round_ahead_is_read_as_far_as_the_other() -> None:
    ahead = pd.concat([up_to(PLAIN, 2), PLAIN[(PLAIN["loss"] == "triplet") & (PLAIN["seed"] < 3)]]).drop_duplicates()
    behind = ahead[(ahead["loss"] == "triplet") | (ahead["seed"] < 5) | (ahead["round_settings"] == SIZE)]
    assert compared(ahead).tuned.budget == 2 * SIZE
    assert compared(behind).tuned.budget == SIZE


@pytest.mark.parametrize("runs", [PLAIN, HALVED], ids=["plain", "halved"])
def test_sentence_4_rounds_that_all_seeds_have_completed_are_all_read(runs: pd.DataFrame) -> None:
    assert compared(runs).aside.empty
    assert compared(runs).tuned.budget == 3 * SIZE
    lost = runs["seed"].eq(4) & runs["loss"].eq("triplet") & runs["round_settings"].eq(3 * SIZE)
    assert compared(runs[~lost.to_numpy()]).tuned.budget == 2 * SIZE
    diverged = runs.assign(diverged=lost, **{"test/map_at_r": runs["test/map_at_r"].mask(lost)})
    assert compared(diverged).aside.empty, "a run that diverged is spent"


def test_sentence_4_with_halving_a_round_is_complete_when_its_brackets_are() -> None:
    last = HALVED["round_settings"] == 3 * SIZE
    for unfinished in (last & (HALVED["stopped_at"] != RUNGS[0]), last & (HALVED["stopped_at"] == 0)):
        comparison = compared(HALVED[~unfinished])
        assert (comparison.tuned.budget, len(comparison.runs)) == (2 * SIZE, 2 * 2 * SEEDS)


@pytest.mark.parametrize("runs", [PLAIN, HALVED], ids=["plain", "halved"])
def test_sentence_4_a_seed_more_than_a_round_behind_is_missing_and_costs_the_others_nothing(runs: pd.DataFrame) -> None:
    """A pack of its failed, or it was added to a study that is far already."""
    for fallen in (runs["seed"].eq(4) & runs["loss"].eq("triplet"), runs["seed"].gt(10)):
        comparison = compared(runs[~(fallen & (runs["round_settings"] > SIZE))])
        assert comparison.aside.empty
        assert comparison.tuned.budget == 3 * SIZE
        assert set(comparison.tuned.runs["seed"]) == {*range(SEEDS)} - set(runs.loc[fallen, "seed"])
        assert len(comparison.seeds) == SEEDS


def test_sentence_4_the_first_round_is_read_once_a_seed_has_completed_it() -> None:
    some = PLAIN[(PLAIN["seed"] < 8) & (PLAIN["round_settings"] <= SIZE) | (PLAIN["loss"] == "triplet")]
    comparison = compared(with_default(some))
    assert comparison.tuned.budget == SIZE + 1
    assert set(comparison.tuned.runs["seed"]) == {*range(8)}


def test_sentence_4_before_that_the_default_setting_is_no_choice() -> None:
    """All first rungs are there, and of whole runs only those of the default setting."""
    table = verdicts(with_default(HALVED[HALVED["stopped_at"] == RUNGS[0]]))
    table = table[table["metric"] == "map_at_r"].set_index("estimand")
    assert table.loc[TUNED, "verdict"] == "insufficient"
    assert table.loc[TUNED, "reason"] == "no seed has completed a round of settings of both losses"
    assert table.loc[AT_DEFAULT, "n"] == SEEDS


def test_sentence_4_a_grid_is_read_beside_a_search_that_has_completed_no_round() -> None:
    grid = simulated_runs(np.random.default_rng(2), seeds=13).assign(dataset="data0", data_digest="data0")
    grid = grid.assign(round_settings=0, round_whole=0)
    begun = HALVED[HALVED["stopped_at"] == RUNGS[0]]
    tuned = compared(pd.concat([grid, begun], ignore_index=True)).tuned
    assert (tuned.budget, tuned.refused) == (4, None)


def test_sentence_4_searches_of_other_numbers_of_epochs_have_rounds_of_their_own() -> None:
    longer = PLAIN.assign(epochs=100, key="long-" + PLAIN["key"])
    late = longer[(longer["seed"] < 5) | (longer["round_settings"] < 3 * SIZE)]
    comparison = compared(pd.concat([PLAIN, late], ignore_index=True))
    assert comparison.tuned.budget == 3 * SIZE + 2 * SIZE
    assert set(comparison.aside["epochs"]) == {100}


def test_runs_that_are_older_than_rounds_are_read_and_counted_in_them() -> None:
    older = PLAIN.assign(round_settings=PLAIN["round_settings"].where(PLAIN["round_settings"] > 2 * SIZE, 0))
    assert compared(older).aside.empty
    late = older[(older["seed"] < 5) | (older["round_settings"] == 0)]
    assert compared(late).tuned.budget == 2 * SIZE
    without = PLAIN.drop(columns=["round_settings", "round_whole"])
    assert compared(without).tuned.budget == 3 * SIZE


def test_a_last_round_that_was_cut_short_and_then_filled_up_is_complete_both_times() -> None:
    """With 20 settings the third round has two; with 27 it has its other seven."""
    number = PLAIN["key"].str.split("-").str[4].astype(int) + PLAIN["round_settings"] - SIZE
    short = PLAIN[number < 20]
    short = short.assign(**{name: short[name].clip(upper=20) for name in ("round_settings", "round_whole")})
    assert compared(short).tuned.budget == 20
    filled = pd.concat([short, PLAIN[number >= 20]], ignore_index=True)
    assert compared(filled).tuned.budget == 3 * SIZE
    late = filled[(filled["seed"] < 5) | (filled["round_settings"] <= 20)]
    assert compared(late).tuned.budget == 20


def test_a_setting_whose_longer_run_was_asked_for_in_a_larger_round_belongs_to_the_first() -> None:
    """A command with fewer settings had stopped it; the next one, with more, trained it to the end."""
    longer = HALVED["round_settings"].eq(2 * SIZE) & HALVED["stopped_at"].eq(0)
    runs = HALVED.assign(round_settings=HALVED["round_settings"].mask(longer, 3 * SIZE))
    runs["round_whole"] = runs["round_whole"].mask(longer, 3)
    late = runs["seed"].gt(4) & HALVED["round_settings"].eq(3 * SIZE)
    comparison = compared(runs[~late])
    assert (comparison.tuned.budget, comparison.tuned.refused) == (2 * SIZE, None)
    assert not longer[comparison.aside.index].any()


FAR = st.lists(st.tuples(st.integers(0, 27), st.integers(0, 27)), min_size=2, max_size=5)


@settings(max_examples=25, deadline=None)
@given(counts=FAR)
def test_sentence_4_which_rounds_are_read_follows_from_how_far_seeds_are_and_from_nothing_else(
    counts: list[tuple[int, int]],
) -> None:
    number = PLAIN["key"].str.split("-").str[4].astype(int) + PLAIN["round_settings"] - SIZE
    far = {(seed, arm): count for seed, of_arms in enumerate(counts) for arm, count in zip(ARMS, of_arms, strict=True)}
    done = [far.get(who, 0) for who in zip(PLAIN["seed"], PLAIN["loss"], strict=True)]
    runs = PLAIN[number < done].sample(frac=1, random_state=0)
    present = {seed for seed in range(len(counts)) if sum(counts[seed])}
    rounds = [min(counts[seed]) // SIZE for seed in present]
    most = max(rounds, default=0)
    expected = max(1, min(count for count in rounds if count >= most - 1)) if most else 0
    read = in_equal_rounds(runs, ARMS)
    assert (read == (runs["round_settings"] <= expected * SIZE)).all()
    other = runs.assign(diverged=True)
    other["val/map_at_r"] = 1 - runs["val/map_at_r"]
    assert (in_equal_rounds(other, ARMS) == read).all()
