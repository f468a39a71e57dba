from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from analysis import claims, slice_verdicts, verdicts
from analysis.tuning import SELECTION, UnequalBudgetsError, best_so_far, first_seeds, setting_scores, tune
from analysis.verdict_table import TUNED, rope_sensitivity
from tests.analysis.studies import simulated_runs, with_one_metric

MARGINS = (0.2, 0.5, 1.0)


def study(seed: int = 0, **options: object) -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(seed), seeds=13, margins=MARGINS, **options)  # type: ignore[arg-type]


def favour(runs: pd.DataFrame, loss: str, miner: str, margin: float, column: str, by: float) -> None:
    chosen = (runs["loss"] == loss) & (runs["miner"] == miner) & (runs["margin"] == margin)
    runs.loc[chosen, column] += by


def tuned_row(runs: pd.DataFrame, metric: str = "map_at_r") -> pd.Series:
    table = verdicts(runs)
    return table[(table["estimand"] == TUNED) & (table["metric"] == metric)].iloc[0]


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
    scores = setting_scores(runs[runs["loss"] == "triplet"], (0, 1, 2))
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


def test_sentence_4_no_seed_both_tunes_and_confirms_where_one_loss_lacks_a_tuning_seed() -> None:
    runs = study(effect=0.05)
    favour(runs, "triplet", "hard", 0.5, SELECTION, 0.2)
    favour(runs, "triplet", "all", 0.2, SELECTION, 0.1)
    lacking = (runs["loss"] == "triplet") & (runs["seed"] == 0) & (runs["miner"] == "hard")
    tuned = tune(runs[~lacking])
    assert tuned.tuning == (0, 1, 2)
    assert tuned.conditions["triplet"] == ("all", 0.2, 1e-3)  # a setting without its tuning run is the worst
    assert set(tuned.confirmation["seed"]) == set(range(3, 13)) == set(tuned.confirming)
    row = tuned_row(runs[~((runs["loss"] == "triplet") & (runs["seed"] == 0))])
    assert (row["n"], row["verdict"]) == (0, "insufficient")
    assert row["reason"] == "no setting of the triplet loss has a validation score of every tuning seed"


def test_sentence_4_nothing_is_tuned_without_a_validation_score() -> None:
    row = tuned_row(study(effect=0.2).drop(columns=SELECTION))
    assert (row["verdict"], row["n"]) == ("insufficient", 0)
    assert row["reason"] == "no setting of either loss has a validation score of every tuning seed"
    runs = study(effect=0.2)
    runs.loc[(runs["loss"] == "contrastive") & (runs["seed"] == 1), "diverged"] = True
    row = tuned_row(runs)
    assert row["reason"] == "no setting of the contrastive loss has a validation score of every tuning seed"
    assert row["verdict"] == "insufficient"
    assert row[["chosen_triplet", "chosen_contrastive"]].isna().all()
    assert row["diverged_contrastive"] == pytest.approx(1 / 13)


def test_an_infinite_validation_score_is_none() -> None:
    runs = study()
    favour(runs, "triplet", "hard", 0.5, SELECTION, 0.2)
    favour(runs, "triplet", "all", 1.0, SELECTION, np.inf)
    assert tune(runs).conditions["triplet"] == ("hard", 0.5, 1e-3)


def test_sentence_14_seeds_that_the_chosen_settings_lack_are_missing_pairs() -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=20, effect=0.1)
    chosen = tune(runs).conditions
    settings = pd.MultiIndex.from_frame(runs[["loss", "miner", "margin", "lr"]])
    of_chosen = settings.isin([(loss, *condition) for loss, condition in chosen.items()])
    row = tuned_row(runs[~(of_chosen & (runs["seed"] >= 14))])
    assert row["n"] == 11
    assert row["missing_share"] == pytest.approx(6 / 17)
    assert (row["verdict"], row["reason"]) == ("insufficient", "35% of the pairs are missing")


@pytest.mark.parametrize("count", [0, -1])
def test_at_least_one_seed_must_tune(count: int) -> None:
    runs = study()
    for analysis in (verdicts, claims, slice_verdicts, rope_sensitivity, best_so_far):
        arguments = (runs, None, count) if analysis is claims else (runs, count)
        with pytest.raises(ValueError, match=f"^tuning_seeds must be at least 1, not {count}$"):
            analysis(*arguments)  # type: ignore[operator]


def test_seeds_may_be_text() -> None:
    runs = study(effect=0.05)
    text = runs.assign(seed=runs["seed"].astype(str))
    assert tune(text).tuning == ("0", "1", "2")
    assert first_seeds(["10", "9", "2"], 2) == ("2", "9")
    assert first_seeds(["b", 3, "a"], 1) == (3,)
    named = runs.assign(seed="seed" + runs["seed"].astype(str).str.zfill(2))
    expected = verdicts(runs)["verdict"].tolist()
    assert verdicts(text)["verdict"].tolist() == expected == verdicts(named)["verdict"].tolist()


@pytest.mark.parametrize(
    ("seeds", "reason"),
    [
        (2, "3 seeds tune: of 2 none is left to confirm"),
        (3, "3 seeds tune: of 3 none is left to confirm"),
        (9, "6 complete seeds; at least 8 are needed"),
    ],
)
def test_too_few_seeds_are_counted_as_they_are(seeds: int, reason: str) -> None:
    assert tuned_row(simulated_runs(np.random.default_rng(0), seeds=seeds, effect=0.2))["reason"] == reason


def test_a_loss_that_always_diverges_is_the_reason_of_both_estimands() -> None:
    runs = study(effect=0.2)
    runs.loc[runs["loss"] == "triplet", "diverged"] = True
    table = verdicts(runs)
    assert set(table["verdict"]) == {"insufficient"}
    assert set(table["reason"]) == {"every run of the triplet loss diverged"}
    assert (table["diverged_triplet"] == 1.0).all()
    assert set(verdicts(runs.assign(diverged=True))["reason"]) == {"every run diverged"}


def test_a_setting_that_no_confirming_seed_was_run_with_is_the_reason() -> None:
    runs = study()
    favour(runs, "triplet", "hard", 0.5, SELECTION, 0.2)
    chosen = (runs["loss"] == "triplet") & (runs["miner"] == "hard") & (runs["margin"] == 0.5)
    row = tuned_row(runs[~(chosen & (runs["seed"] >= 3))])
    assert row["reason"] == "the chosen setting of the triplet loss was run with no confirming seed"
    assert row["chosen_triplet"] == "hard, margin 0.5, lr 0.001"


def test_sentence_6_best_so_far_is_the_mean_over_all_orders_of_trying() -> None:
    runs = study(3)
    curve = best_so_far(runs)
    for loss in ("triplet", "contrastive"):
        scores = setting_scores(runs[runs["loss"] == loss], (0, 1, 2)).to_numpy()
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
        differences.append(tuned_row(with_one_metric(runs))["difference"])
    assert abs(np.mean(differences)) < 4 * np.std(differences) / np.sqrt(60)
