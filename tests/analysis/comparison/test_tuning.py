from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import slice_verdicts, verdicts
from analysis.comparison.arms import ArmPair
from analysis.comparison.pairing import Condition
from analysis.comparison.tuning import Tuned, tune, validation_scores
from analysis.metrics import SELECTION, TUNED
from tests.analysis.studies import judged, simulated_runs

ARMS = ArmPair("triplet", "contrastive")
MARGINS = (0.2, 0.5, 1.0)


def study(seed: int = 0, **options: object) -> pd.DataFrame:
    """Six conditions a loss, whose validation scores have their best margin in the middle."""
    runs = simulated_runs(np.random.default_rng(seed), seeds=13, margins=MARGINS, **options)  # type: ignore[arg-type]
    runs.loc[runs["margin"] == 0.5, SELECTION] += 0.1
    return runs


def chosen(runs: pd.DataFrame, loss: str, miner: str, margin: float) -> pd.Series:
    return (runs["loss"] == loss) & (runs["miner"] == miner) & (runs["margin"] == margin)


def tuned_row(runs: pd.DataFrame, metric: str = "map_at_r") -> pd.Series:
    table = verdicts(runs)
    return table[(table["estimand"] == TUNED) & (table["metric"] == metric)].iloc[0]


def conditions(tuned: Tuned, arm: str) -> list[Condition]:
    return [condition for seed in range(13) if (condition := tuned.condition(arm, seed)) is not None]


def test_sentence_4_every_seed_chooses_by_its_own_validation_score() -> None:
    runs = study()
    runs.loc[chosen(runs, "triplet", "hard", 0.5) & (runs["seed"] % 2 == 0), SELECTION] += 1.0
    runs.loc[chosen(runs, "triplet", "all", 0.2) & (runs["seed"] % 2 == 1), SELECTION] += 1.0
    runs.loc[chosen(runs, "triplet", "all", 1.0), "test/map_at_r"] += 5.0  # what looks best on test data stays out
    tuned = tune(runs, ARMS)
    expected = [Condition("all", 0.2, 1e-3) if seed % 2 else Condition("hard", 0.5, 1e-3) for seed in range(13)]
    assert conditions(tuned, "triplet") == expected
    assert tuned.counts("triplet") == [(expected[0], 7), (expected[1], 6)]
    assert tuned.budget == 6


def test_sentence_4_all_seeds_count_and_every_metric_is_read_from_the_chosen_run() -> None:
    runs = study()
    for loss in ARMS:
        runs.loc[chosen(runs, loss, "hard", 0.5), SELECTION] += 1.0
    runs.loc[chosen(runs, "triplet", "hard", 0.5), ["test/map_at_r", "test/recall_at_1"]] += 0.1
    others = ~(chosen(runs, "triplet", "hard", 0.5) | chosen(runs, "contrastive", "hard", 0.5))
    row = tuned_row(runs)
    assert (row["n"], row["verdict"], row["budget"]) == (13, "triplet", 6)
    assert 0.08 < row["difference"] < 0.12
    assert row["chosen_first"] == "hard, margin 0.5, lr 0.001 (13 of 13 seeds)"
    changed = runs.copy()
    changed.loc[others, ["test/map_at_r", "test/recall_at_1"]] = 123.0
    pd.testing.assert_series_equal(tuned_row(changed), row)
    pd.testing.assert_series_equal(tuned_row(changed, "recall_at_1"), tuned_row(runs, "recall_at_1"))


def test_sentence_4_and_23_a_diverged_run_is_spent_and_worst() -> None:
    runs = study()
    runs.loc[chosen(runs, "triplet", "hard", 0.5), SELECTION] += 1.0
    runs.loc[chosen(runs, "triplet", "hard", 0.5) & (runs["seed"] == 1), "diverged"] = True
    tuned = tune(runs, ARMS)
    assert tuned.condition("triplet", 0) == Condition("hard", 0.5, 1e-3)
    assert tuned.condition("triplet", 1) == Condition("all", 0.5, 1e-3)
    assert tuned.budget == 6
    assert (validation_scores(runs)[runs["diverged"]] == -np.inf).all()


def test_sentence_4_ties_go_to_the_first_in_order() -> None:
    runs = study()
    runs[SELECTION] = 0.5
    assert set(conditions(tune(runs.sample(frac=1, random_state=0), ARMS), "triplet")) == {Condition("all", 0.2, 1e-3)}


def test_sentence_4_unequal_budgets_are_insufficient() -> None:
    runs = study()
    lacking = runs[~((runs["loss"] == "triplet") & (runs["margin"] == 1.0))]
    assert tune(lacking, ARMS).refused == "unequal budgets: 4 for triplet, 6 for contrastive"
    table = verdicts(lacking)
    tuned = judged(table[table["estimand"] == TUNED])
    assert set(tuned["verdict"]) == {"insufficient"}
    assert set(tuned["reason"]) == {"unequal budgets: 4 for triplet, 6 for contrastive"}


def test_sentence_4_as_many_settings_that_train_for_other_numbers_of_epochs_are_unequal_budgets() -> None:
    runs = study()
    runs.loc[(runs["loss"] == "triplet") & (runs["margin"] == 1.0), "epochs"] = 100
    refused = "unequal budgets: 4 of 50 epochs, 2 of 100 epochs for triplet; 6 of 50 epochs for contrastive"
    assert tune(runs, ARMS).refused == refused


def test_sentence_14_a_seed_that_cannot_choose_is_a_missing_pair() -> None:
    runs = study(effect=0.2)
    lost = (runs["loss"] == "triplet") & (runs["seed"] == 4)
    runs.loc[lost, "diverged"] = True
    row = tuned_row(runs)
    assert (row["n"], row["verdict"]) == (12, "triplet")
    assert row["missing_share"] == pytest.approx(1 / 13)


def test_records_without_a_validation_score_cannot_be_tuned_and_say_so() -> None:
    row = tuned_row(study(effect=0.2).drop(columns=SELECTION))
    assert (row["verdict"], row["n"]) == ("insufficient", 0)
    assert row["reason"] == "no run of either loss has a validation score, so that no seed can choose a setting"
    assert row[["chosen_first", "chosen_second"]].isna().all()


def test_an_infinite_validation_score_is_none() -> None:
    runs = study()
    runs.loc[chosen(runs, "triplet", "all", 1.0), SELECTION] = np.inf
    assert set(conditions(tune(runs, ARMS), "triplet")) <= {Condition("all", 0.5, 1e-3), Condition("hard", 0.5, 1e-3)}


def test_seeds_may_be_text() -> None:
    runs = study(effect=0.05)
    expected = verdicts(runs)["verdict"].tolist()
    assert verdicts(runs.assign(seed="seed " + runs["seed"].astype(str)))["verdict"].tolist() == expected


def test_too_few_seeds_are_counted_as_they_are() -> None:
    row = tuned_row(study(effect=0.2).query("seed < 7"))
    assert row["reason"] == "7 complete seeds; at least 8 are needed"


def test_a_loss_that_always_diverges_is_the_reason_of_both_estimands() -> None:
    runs = study(effect=0.2)
    runs.loc[runs["loss"] == "triplet", "diverged"] = True
    table = judged(verdicts(runs))
    assert set(table["verdict"]) == {"insufficient"}
    assert set(table["reason"]) == {"every run of the triplet loss diverged"}
    assert (table["diverged_first"] == 1.0).all()
    assert set(judged(verdicts(runs.assign(diverged=True)))["reason"]) == {"every run diverged"}


def test_each_slice_is_tuned_among_its_own_conditions() -> None:
    slices = slice_verdicts(study(effect=0.2))
    tuned = slices[(slices["estimand"] == TUNED) & (slices["metric"] == "map_at_r")].set_index("slice")
    chosen_first = tuned["chosen_first"].astype(str)
    assert chosen_first["miner=hard"].startswith("hard, margin 0.5")
    assert "margin 0.5" not in chosen_first["without margin=0.5"]


def test_sentence_4_a_seed_that_lacks_settings_of_one_loss_cannot_choose() -> None:
    """Else the loss with more settings would win by chance alone, wherever a search was interrupted."""
    runs = study()
    lacking = runs[~((runs["loss"] == "contrastive") & (runs["margin"] > runs["margin"].min()) & (runs["seed"] > 0))]
    row = tuned_row(lacking)
    assert (row["verdict"], row["n"]) == ("insufficient", 1)
    some = runs[~((runs["loss"] == "contrastive") & (runs["margin"] == runs["margin"].min()) & (runs["seed"] == 4))]
    assert tuned_row(some)["n"] == len(runs["seed"].unique()) - 1
