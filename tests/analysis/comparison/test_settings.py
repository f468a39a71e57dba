"""Studies whose seeds draw their own settings, perhaps with halving."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import claims, slice_verdicts, verdicts
from analysis.comparison.arms import ArmPair
from analysis.comparison.comparisons import Comparison, comparisons
from analysis.comparison.pairing import by_dataset, unmatched_conditions
from analysis.comparison.settings import longest_runs, search_text, settings_by_epochs
from analysis.comparison.tuning import tune
from analysis.metrics import GRID_AVERAGE, SELECTION, TUNED
from tests.analysis.searched import RUNGS, searched_runs
from tests.analysis.studies import simulated_runs

ARMS = ArmPair("triplet", "contrastive")
PLAIN = searched_runs(np.random.default_rng(0))
HALVED = searched_runs(np.random.default_rng(1), settings=27, rungs=RUNGS, search="sobol")


def compared(runs: pd.DataFrame) -> Comparison:
    (comparison,) = comparisons(runs)
    return comparison


def of_triplet(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["loss"] == "triplet"]


def map_at_r(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["metric"] == "map_at_r"].reset_index(drop=True)


def test_sentence_4_each_seed_chooses_among_the_settings_that_it_drew() -> None:
    tuned = compared(PLAIN).tuned
    assert (tuned.budget, tuned.refused, tuned.drawn) == (9, None, True)
    best = PLAIN.loc[PLAIN.groupby(["loss", "seed"])[SELECTION].idxmax(), "key"]
    assert set(tuned.runs["key"]) == set(best)
    assert len(best) == 26


def test_sentence_4_a_seed_that_drew_fewer_settings_of_one_loss_cannot_choose() -> None:
    lost = PLAIN.index[(PLAIN["loss"] == "triplet") & (PLAIN["seed"] == 4)][:1]
    comparison = compared(PLAIN.drop(lost))
    assert comparison.tuned.budget == 9
    assert 4 not in set(comparison.tuned.runs["seed"])
    assert len(comparison.tuned.runs) == 24
    assert map_at_r(verdicts(PLAIN.drop(lost)))["missing_share"].tolist() == [pytest.approx(1 / 13)]


def test_sentence_4_a_loss_whose_seeds_all_drew_fewer_has_another_budget() -> None:
    lost = of_triplet(PLAIN).groupby("seed").head(2).index
    assert tune(PLAIN.drop(lost), ARMS).refused == "unequal budgets: 7 for triplet, 9 for contrastive"


def test_sentence_4_stopped_runs_enter_no_verdict() -> None:
    comparison = compared(HALVED)
    assert (comparison.runs["stopped_at"] == 0).all()
    assert len(comparison.tried) == len(HALVED) == 2 * 13 * (27 + 9 + 3)
    assert comparison.readable
    stopped = HALVED["stopped_at"] == RUNGS[1]
    nonsense = HALVED.assign(**{"test/map_at_r": HALVED["test/map_at_r"].where(~stopped, 0.99)})
    nonsense.loc[stopped, SELECTION] = 1.0
    pd.testing.assert_frame_equal(verdicts(nonsense), verdicts(HALVED))


def test_sentence_4_with_halving_the_budget_is_what_was_tried_and_the_best_of_the_whole_runs_is_chosen() -> None:
    tuned = compared(HALVED).tuned
    assert (tuned.budget, tuned.refused) == (27, None)
    whole = HALVED[HALVED["stopped_at"] == 0]
    assert set(tuned.runs["key"]) == set(whole.loc[whole.groupby(["loss", "seed"])[SELECTION].idxmax(), "key"])


def test_sentence_4_with_halving_as_many_settings_of_each_loss_go_on_to_the_end() -> None:
    whole = (HALVED["stopped_at"] == 0) & (HALVED["loss"] == "triplet")
    lost = HALVED[whole].groupby("seed").head(1).index
    refused = "unequal budgets: 2 of 27 trained to the end for triplet, 3 of 27 for contrastive"
    assert tune(HALVED.drop(lost), ARMS).refused == refused.replace(" 3 of 27 for", " 3 of 27 trained to the end for")
    assert 0 not in set(tune(HALVED.drop(lost[:1]), ARMS).runs["seed"])
    tried = HALVED[(HALVED["stopped_at"] == RUNGS[0]) & (HALVED["loss"] == "triplet")]
    only_here = tried[~tried["margin"].isin(HALVED.loc[HALVED["stopped_at"] != RUNGS[0], "margin"])]
    assert only_here["seed"].iloc[0] not in set(tune(HALVED.drop(only_here.index[:1]), ARMS).runs["seed"])


def test_runs_in_mlflow_which_has_the_longest_of_each_setting_are_tuned_alike() -> None:
    in_mlflow = longest_runs(HALVED)
    assert len(in_mlflow) == 2 * 13 * 27
    assert in_mlflow["stopped_at"].value_counts().to_dict() == {6: 2 * 13 * 18, 17: 2 * 13 * 6, 0: 2 * 13 * 3}
    pd.testing.assert_frame_equal(
        tune(in_mlflow, ARMS).runs.reset_index(drop=True), tune(HALVED, ARMS).runs.reset_index(drop=True)
    )
    assert search_text(of_triplet(in_mlflow)) == search_text(of_triplet(HALVED))


def test_a_loss_of_stopped_runs_alone_is_not_compared() -> None:
    assert comparisons(HALVED[(HALVED["loss"] == "contrastive") | (HALVED["stopped_at"] > 0)]) == []


def test_how_settings_were_searched_is_said_in_words() -> None:
    halved = "27 settings a seed by sobol, 3 of them trained to the end; 18 stopped at epoch 6, 6 at epoch 17"
    assert search_text(of_triplet(HALVED)) == halved
    assert search_text(of_triplet(PLAIN)) == "9 settings a seed by random"
    grid = simulated_runs(np.random.default_rng(0), seeds=2)
    assert search_text(of_triplet(grid)) == "4 settings a seed by a grid"


def test_what_seeds_chose_of_their_own_settings_is_a_range() -> None:
    row = map_at_r(verdicts(PLAIN)).iloc[0]
    tuned = compared(PLAIN).tuned
    chosen = tuned.chosen_range("triplet")
    own = of_triplet(tuned.runs)
    assert chosen.margin == (own["margin"].min(), own["margin"].max())
    assert (chosen.seeds, chosen.miner_seeds) == (13, own["miner"].value_counts().max())
    assert row["chosen_first"] == f"{chosen} (each seed its own)"
    low, high = (f"{float(f'{value:.2g}'):g}" for value in chosen.margin)
    assert str(chosen).startswith(f"margin {low} to {high}, lr 0.00")
    assert str(chosen).endswith(f"miner {chosen.miner} {chosen.miner_seeds} of 13")


def test_sentence_5_settings_that_seeds_drew_are_averaged_in_no_grid_and_left_out_of_no_slice() -> None:
    comparison = compared(PLAIN)
    assert comparison.grid().empty
    assert unmatched_conditions(comparison.of_grid(), ARMS) == []
    assert set(verdicts(PLAIN)["estimand"]) == {TUNED}
    slices = map_at_r(slice_verdicts(PLAIN)).set_index("slice")
    assert set(slices.index) == {
        f"{how}miner={name}" for how in ("", "without ") for name in ("all", "semihard", "hard")
    }
    assert set(slices["estimand"]) == {TUNED}
    assert (slices["n"] >= 12).all()
    assert "insufficient" in set(claims(PLAIN)["verdict"])


def test_sentence_6_a_slice_takes_the_seeds_that_drew_as_many_of_its_settings_for_both_losses() -> None:
    several = PLAIN[PLAIN["miner"] == "hard"].groupby(["loss", "seed"]).size().unstack("loss").query("triplet > 1")
    other = PLAIN.copy()
    other.loc[other.index[(other["loss"] == "triplet") & (other["seed"] == several.index[0])], "miner"] = "all"
    before, after = (map_at_r(slice_verdicts(runs)).set_index("slice")["n"].to_dict() for runs in (PLAIN, other))
    assert after["miner=hard"] == before["miner=hard"] - 1


@pytest.mark.parametrize("runs", [HALVED, PLAIN.assign(search="tpe")], ids=["halved", "tpe"])
def test_sentence_6_a_search_that_learned_or_halved_has_no_budget_curve_and_no_slices(runs: pd.DataFrame) -> None:
    assert compared(runs).budget_curve is None
    assert slice_verdicts(runs).empty
    assert compared(PLAIN).budget_curve is not None


def test_sentence_5_a_grid_keeps_its_average_where_a_search_is_added_to_it() -> None:
    grid = simulated_runs(np.random.default_rng(2), seeds=13).assign(dataset="data0", data_digest="data0")
    both = pd.concat([grid, PLAIN], ignore_index=True)
    alone, beside = (table[table["estimand"] == GRID_AVERAGE] for table in map(verdicts, (grid, both)))
    pd.testing.assert_frame_equal(map_at_r(alone), map_at_r(beside), check_dtype=False)
    assert compared(both).tuned.budget == 4 + 9
    assert settings_by_epochs(of_triplet(both)) == {50: 13}
    drawn_before = grid["search"].where(grid["seed"] > 3, "random")  # of these settings a search had tried some
    pd.testing.assert_frame_equal(verdicts(grid.assign(search=drawn_before)), verdicts(grid))


def test_a_table_from_before_there_were_searches_is_that_of_a_grid() -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=8)
    before = runs.drop(columns=["search", "stopped_at"])
    pd.testing.assert_frame_equal(verdicts(before), verdicts(runs))
    assert set(by_dataset(before)["digits"]["search"]) == {"grid"}
