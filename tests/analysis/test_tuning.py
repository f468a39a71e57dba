from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from analysis import verdicts
from analysis.tuning import SELECTION, UnequalBudgetsError, best_so_far, setting_scores, tune
from analysis.verdict_table import TUNED
from tests.analysis.studies import simulated_runs

MARGINS = (0.2, 0.5, 1.0)


def study(seed: int = 0, **options: object) -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(seed), seeds=13, margins=MARGINS, **options)  # type: ignore[arg-type]


def favour(runs: pd.DataFrame, loss: str, miner: str, margin: float, column: str, by: float) -> None:
    chosen = (runs["loss"] == loss) & (runs["miner"] == miner) & (runs["margin"] == margin)
    runs.loc[chosen, column] += by


def test_sentence_4_selection_is_on_the_validation_scores_of_the_tuning_seeds() -> None:
    runs = study()
    favour(runs, "triplet", "hard", 0.5, SELECTION, 0.2)
    favour(runs, "contrastive", "all", 1.0, SELECTION, 0.2)
    favour(runs, "triplet", "all", 0.2, "test/map_at_r", 0.5)  # what looks best on test data must not be chosen
    confirming = runs["seed"] >= 3
    runs.loc[confirming & (runs["miner"] == "all"), SELECTION] += 1.0  # nor what is best with other seeds
    tuned = tune(runs)
    assert tuned.conditions == {"triplet": ("hard", 0.5, 1e-3), "contrastive": ("all", 1.0, 1e-3)}
    assert (tuned.budget, tuned.tuning) == (6, (0, 1, 2))


def test_sentence_4_the_verdict_is_on_test_scores_of_seeds_that_took_no_part_in_tuning() -> None:
    runs = study()
    favour(runs, "triplet", "hard", 0.5, SELECTION, 0.2)
    favour(runs, "triplet", "hard", 0.5, "test/map_at_r", 0.1)
    runs.loc[runs["seed"] < 3, "test/map_at_r"] -= 10.0
    table = verdicts(runs)
    row = table[(table["estimand"] == TUNED) & (table["metric"] == "map_at_r")].iloc[0]
    assert (row["n"], row["verdict"], row["budget"]) == (10, "triplet", 6)
    assert 0.08 < row["difference"] < 0.12
    assert row["chosen_triplet"] == "hard, margin 0.5, lr 0.001"
    changed = runs.copy()
    changed.loc[changed["seed"] < 3, "test/map_at_r"] = 123.0
    again = verdicts(changed)
    pd.testing.assert_series_equal(again[again["estimand"] == TUNED].iloc[0], row)


def test_sentence_4_and_23_a_diverged_setting_is_spent_and_worst() -> None:
    runs = study()
    favour(runs, "triplet", "hard", 0.5, SELECTION, 0.2)
    runs.loc[(runs["loss"] == "triplet") & (runs["miner"] == "hard") & (runs["seed"] == 1), "diverged"] = True
    tuned = tune(runs)
    assert tuned.conditions["triplet"][0] == "all"
    assert tuned.budget == 6
    scores = setting_scores(runs[runs["loss"] == "triplet"])
    assert (scores["hard"] == -np.inf).all()


def test_sentence_4_unequal_budgets_are_an_error() -> None:
    runs = study()
    lacking = runs[~((runs["loss"] == "triplet") & (runs["margin"] == 1.0))]
    with pytest.raises(UnequalBudgetsError, match="4 for triplet, 6 for contrastive"):
        tune(lacking)
    table = verdicts(lacking)
    tuned = table[table["estimand"] == TUNED]
    assert set(tuned["verdict"]) == {"insufficient"}
    assert "unequal budgets: 4 for triplet, 6 for contrastive" in tuned["reason"].iloc[0]


def test_too_few_seeds_to_confirm_give_no_tuned_verdict() -> None:
    table = verdicts(simulated_runs(np.random.default_rng(0), seeds=10, effect=0.2))
    assert set(table.loc[table["estimand"] == TUNED, "verdict"]) == {"insufficient"}
    assert "triplet" in set(table.loc[table["estimand"] != TUNED, "verdict"])
    assert "triplet" in set(verdicts(simulated_runs(np.random.default_rng(0), effect=0.2), tuning_seeds=2)["verdict"])


def test_sentence_6_best_so_far_is_the_mean_over_all_orders_of_trying() -> None:
    runs = study(3)
    curve = best_so_far(runs)
    for loss in ("triplet", "contrastive"):
        scores = setting_scores(runs[runs["loss"] == loss]).to_numpy()
        ours = curve[curve["loss"] == loss].set_index("settings")["score"]
        for tried in range(1, len(scores) + 1):
            expected = np.mean([max(subset) for subset in itertools.combinations(scores, tried)])
            assert ours[tried] == pytest.approx(expected)
        assert ours.is_monotonic_increasing


def test_selecting_on_seeds_that_confirm_would_inflate_and_selecting_on_others_does_not() -> None:
    """No difference between the losses, many settings for each, noise between runs: the tuned difference has mean 0."""
    rng, differences = np.random.default_rng(4), []
    for _ in range(60):
        runs = simulated_runs(rng, seeds=13, margins=MARGINS, run_noise=0.05, pair_noise=0.0)
        table = verdicts(runs)
        row = table[(table["estimand"] == TUNED) & (table["metric"] == "map_at_r")].iloc[0]
        differences.append(row["difference"])
    assert abs(np.mean(differences)) < 4 * np.std(differences) / np.sqrt(60)
