from __future__ import annotations

import numpy as np
import pytest

from analysis import slice_verdicts
from analysis.metrics import GRID_AVERAGE, TUNED
from analysis.statistics.corrections import benjamini_hochberg
from tests.analysis.studies import simulated_runs


def test_sentence_6_an_effect_in_one_miner_alone_shows_in_its_slice() -> None:
    runs = simulated_runs(np.random.default_rng(5), seeds=13, miners=("all", "hard", "semihard"))
    hard = (runs["miner"] == "hard") & (runs["loss"] == "triplet")
    runs.loc[hard, "test/map_at_r"] += 0.06
    slices = slice_verdicts(runs)
    averaged = slices[slices["estimand"] == GRID_AVERAGE]
    mine = averaged[averaged["metric"] == "map_at_r"].set_index("slice")["verdict"]
    assert mine["miner=hard"] == "triplet"
    assert mine["miner=all"] in ("equivalent", "undecided", "contrastive, small", "triplet, small")
    assert mine["without miner=hard"] != "triplet"
    assert {"without margin=0.2", "without margin=1"} <= set(mine.index)
    assert not any("lr" in name for name in mine.index)  # one learning rate: nothing to leave out
    assert slices["estimand"].tolist() == [GRID_AVERAGE] * len(averaged) + [TUNED] * (len(slices) - len(averaged))


def test_sentence_6_each_slice_is_tuned_anew_among_its_own_settings() -> None:
    runs = simulated_runs(
        np.random.default_rng(6), seeds=13, miners=("all", "hard", "semihard"), margins=(0.2, 0.5, 1.0)
    )
    best = (runs["loss"] == "triplet") & (runs["miner"] == "hard") & (runs["margin"] == 0.5)
    runs.loc[best, ["val/map_at_r", "test/map_at_r"]] += 0.1
    runs = runs[~((runs["loss"] == "contrastive") & (runs["miner"] == "semihard"))]  # unequal budgets, but in slices
    slices = slice_verdicts(runs)
    mine = slices[(slices["estimand"] == TUNED) & (slices["metric"] == "map_at_r")].set_index("slice")
    chosen = mine["chosen_first"].astype(str)
    assert chosen["miner=hard"] == "hard, margin 0.5, lr 0.001 (13 of 13 seeds)"
    assert chosen["miner=all"].startswith("all, margin ")
    assert (mine.loc["miner=hard", "verdict"], mine.loc["miner=hard", "n"]) == ("triplet", 13)
    assert (mine.loc["miner=all", "budget"], mine.loc["without miner=semihard", "budget"]) == (3, 6)
    assert mine.loc["miner=all", "verdict"] != "triplet"
    assert "miner=semihard" not in mine.index  # one loss alone
    assert mine.loc["without margin=0.5", "reason"] == "unequal budgets: 6 for triplet, 4 for contrastive"
    assert set(slices.loc[slices["estimand"] == TUNED, "metric"]) == {"map_at_r", "recall_at_1", "linear_accuracy"}


def test_sentence_6_losses_with_margins_of_their_own_are_left_one_each_at_a_time() -> None:
    runs = simulated_runs(np.random.default_rng(6), seeds=13, margins=(0.2, 0.5, 1.0, 4.0), miners=("all",))
    triplet = runs["loss"] == "triplet"
    own = runs[(triplet & (runs["margin"] >= 0.5)) | (~triplet & (runs["margin"] <= 1.0))]
    slices = slice_verdicts(own)
    assert slices["slice"].unique().tolist() == [
        "without margin=contrastive 0.2, triplet 0.5",
        "without margin=contrastive 0.5, triplet 1",
        "without margin=contrastive 1, triplet 4",
    ]
    assert set(slices.loc[slices["estimand"] == TUNED, "budget"]) == {2}


def test_sentence_12_slices_of_both_estimands_are_corrected_together() -> None:
    slices = slice_verdicts(simulated_runs(np.random.default_rng(7), seeds=13, effect=0.005))
    assert set(slices["estimand"]) == {GRID_AVERAGE, TUNED}
    corrected = benjamini_hochberg(slices["p_value"].to_numpy(float))
    np.testing.assert_allclose(slices["p_corrected"], corrected)


def test_seeds_that_a_slice_lacks_are_missing() -> None:
    runs = simulated_runs(np.random.default_rng(8), seeds=20, effect=0.1)
    lacking = runs[~((runs["miner"] == "hard") & runs["seed"].isin([0, 17, 18, 19]))]
    slices = slice_verdicts(lacking)
    mine = slices[(slices["slice"] == "miner=hard") & (slices["metric"] == "map_at_r")].set_index("estimand")
    assert mine.loc[GRID_AVERAGE, "missing_share"] == pytest.approx(4 / 20)
    assert mine.loc[GRID_AVERAGE, "verdict"] == "insufficient"
    assert mine.loc[TUNED, "reason"] == "20% of the pairs are missing"
