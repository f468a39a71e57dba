from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis import claims, overall_verdicts, slice_verdicts, verdicts
from analysis.comparison.arms import ArmPair
from analysis.comparison.comparisons import comparisons
from analysis.comparison.pairing import PairedSample, SeedTable
from analysis.conclusions.verdict_table import rope_sensitivity
from analysis.metrics import AT_DEFAULT, GRID_AVERAGE, METRICS, ROPE, TUNED, Metric
from tests.analysis.studies import judged, simulated_runs

ARMS = ArmPair("triplet", "contrastive")
MAP = next(metric for metric in METRICS if metric.name == "map_at_r")


def paired(runs: pd.DataFrame, metric: Metric) -> PairedSample:
    return SeedTable(runs, ARMS).sample(metric)


def grid_verdicts(runs: pd.DataFrame) -> pd.DataFrame:
    table = verdicts(runs)
    return table[table["estimand"] == GRID_AVERAGE].reset_index(drop=True)


def verdict_of(runs: pd.DataFrame, metric: str = "map_at_r") -> str:
    table = grid_verdicts(runs)
    return str(table.loc[table["metric"] == metric, "verdict"].iloc[0])


def test_sentence_1_scales_are_compared_by_their_logarithm() -> None:
    variance = next(metric for metric in METRICS if metric.name == "intra_variance")
    runs = simulated_runs(np.random.default_rng(0), pair_noise=0.0, run_noise=0.0)
    triplet = runs["loss"] == "triplet"
    runs.loc[triplet, variance.column] = 3.0 * runs.loc[~triplet, variance.column].to_numpy()
    table = grid_verdicts(runs).set_index("metric")
    assert table.loc["intra_variance", "difference"] == pytest.approx(3.0)
    np.testing.assert_allclose(paired(runs, variance).differences, math.log(3.0))


def test_sentence_11_meaningful_needs_a_likely_and_a_large_enough_chance() -> None:
    table = grid_verdicts(simulated_runs(np.random.default_rng(7), effect=0.1))
    assert table["meaningful"].all()
    table = grid_verdicts(simulated_runs(np.random.default_rng(7), effect=-0.1))
    assert table["meaningful"].all()
    table = grid_verdicts(simulated_runs(np.random.default_rng(10), effect=0.0, pair_noise=0.05))
    assert not table["meaningful"].any()


def test_sentence_12_corrections_run_within_a_family() -> None:
    table = judged(grid_verdicts(simulated_runs(np.random.default_rng(4), datasets=("a", "b"))))
    from analysis.statistics.corrections import holm

    assert table.groupby("family").size().to_dict() == {"mechanism": 18, "primary": 2, "secondary": 4}
    for _, family in table.groupby("family"):
        for test, corrected in (
            ("p_value", "p_corrected"),
            ("p_minimum_effect", "p_minimum_effect_corrected"),
            ("p_equivalence", "p_equivalence_corrected"),
        ):
            np.testing.assert_allclose(family[corrected], holm(family[test].to_numpy(float)))


def test_sentence_15_the_corrected_minimum_effect_test_decides() -> None:
    """One metric of five with an effect near the edge: rejected alone, not among the others of its family."""
    decided = {"alone": 0, "corrected": 0}
    for seed in range(40):
        table = grid_verdicts(simulated_runs(np.random.default_rng(seed), effect=0.019, pair_noise=0.006))
        secondary = table[table["family"] == "secondary"]
        decided["alone"] += int((secondary["p_minimum_effect"] <= 0.05).sum())
        decided["corrected"] += int((secondary["verdict"] == "triplet").sum())
        for row in secondary.to_dict("records"):
            assert (row["verdict"] == "triplet") == (row["p_minimum_effect_corrected"] <= 0.05)
    assert decided["corrected"] < decided["alone"]


def test_sentence_14_few_seeds_are_insufficient() -> None:
    assert verdict_of(simulated_runs(np.random.default_rng(5), seeds=7, effect=0.5)) == "insufficient"
    assert verdict_of(simulated_runs(np.random.default_rng(5), seeds=8, effect=0.5)) == "triplet"


def test_sentence_14_missing_pairs_are_dropped_whole_and_over_a_tenth_is_insufficient() -> None:
    runs = simulated_runs(np.random.default_rng(6), seeds=20, effect=0.05)
    for diverged, expected in ((2, "triplet"), (3, "insufficient")):
        broken = runs.copy()
        bad = broken["seed"].lt(diverged) & (broken["loss"] == "triplet") & (broken["margin"] == 1.0)
        broken.loc[bad, "diverged"] = True
        broken.loc[bad, MAP.column] = math.nan
        row = grid_verdicts(broken).set_index("metric").loc["map_at_r"]
        assert row["n"] == 20 - diverged
        assert row["verdict"] == expected
        assert row["diverged_first"] == pytest.approx(diverged / 40)
        assert row["diverged_second"] == 0


@pytest.mark.parametrize(("effect", "expected"), [(0.1, "triplet"), (-0.1, "contrastive")])
def test_sentence_15_a_difference_beyond_the_rope(effect: float, expected: str) -> None:
    runs = simulated_runs(np.random.default_rng(7), effect=effect)
    assert verdict_of(runs) == expected
    assert verdict_of(runs, "recall_at_1") == expected


def test_sentence_16_equivalent_even_where_zero_is_rejected() -> None:
    runs = simulated_runs(np.random.default_rng(8), effect=0.003, pair_noise=0.0005, run_noise=0.0002)
    row = grid_verdicts(runs).set_index("metric").loc["map_at_r"]
    assert row["p_corrected"] <= 0.05
    assert row["verdict"] == "equivalent"
    assert "not zero" in row["reason"]


def test_sentence_17_a_small_difference() -> None:
    runs = simulated_runs(np.random.default_rng(9), effect=0.010, pair_noise=0.002, run_noise=0.0005)
    assert verdict_of(runs) == "triplet, small"
    runs = simulated_runs(np.random.default_rng(9), effect=-0.010, pair_noise=0.002, run_noise=0.0005)
    assert verdict_of(runs) == "contrastive, small"


def test_sentence_18_else_undecided() -> None:
    assert verdict_of(simulated_runs(np.random.default_rng(10), effect=0.0, pair_noise=0.05)) == "undecided"


def test_sentence_20_over_half_censored_in_both_losses_is_undecided() -> None:
    runs = simulated_runs(np.random.default_rng(11), effect=10.0)
    assert verdict_of(runs, "loss_decay_epochs") == "triplet"
    runs["train/loss_decay_censored"] = (runs["miner"] == "all").astype(float)
    runs.loc[(runs["margin"] == 0.2), "train/loss_decay_censored"] = 1.0
    assert verdict_of(runs, "loss_decay_epochs") == "undecided"
    runs.loc[runs["loss"] == "triplet", "train/loss_decay_censored"] = 0.0
    assert verdict_of(runs, "loss_decay_epochs") == "triplet"


def test_other_ways_of_training_are_never_averaged_together() -> None:
    rng = np.random.default_rng(13)
    linear = simulated_runs(rng, effect=-0.1).assign(encoder="linear")
    both = pd.concat([simulated_runs(rng, effect=0.1), linear])
    table = grid_verdicts(both)
    primary = table[table["family"] == "primary"].set_index("dataset")["verdict"].to_dict()
    assert primary == {"digits (encoder=mlp)": "triplet", "digits (encoder=linear)": "contrastive"}


def test_runs_of_more_epochs_are_other_settings_of_the_same_dataset() -> None:
    rng = np.random.default_rng(13)
    short = simulated_runs(rng, effect=0.1).assign(epochs=5)
    longer = simulated_runs(rng, effect=0.1)
    tuned = verdicts(pd.concat([short, longer.assign(**{"val/map_at_r": longer["val/map_at_r"] + 0.2})]))
    first = tuned[tuned["family"] == "primary"].iloc[0]
    assert (first["dataset"], first["verdict"], first["budget"]) == ("digits", "triplet", 8)
    assert ", 50 epochs (" in first["chosen_first"]


def test_one_loss_alone_gives_no_rows() -> None:
    runs = simulated_runs(np.random.default_rng(14))
    assert verdicts(runs[runs["loss"] == "triplet"]).empty


def test_a_metric_that_is_zero_has_a_logarithm_at_the_floor() -> None:
    runs = simulated_runs(np.random.default_rng(15))
    runs.loc[runs["loss"] == "contrastive", "test/intra_variance"] = 0.0
    row = grid_verdicts(runs).set_index("metric").loc["intra_variance"]
    assert row["verdict"] == "triplet"
    assert np.isfinite(row["difference"])


def test_sentence_9_the_rope() -> None:
    assert ROPE["share"] == 0.01
    assert ROPE["log"] == pytest.approx(math.log(1.1))


def test_sentence_25_runs_of_one_loss_under_two_names_are_equivalent() -> None:
    runs = simulated_runs(np.random.default_rng(17), seeds=13)
    one = runs[runs["loss"] == "contrastive"]
    assert set(judged(verdicts(pd.concat([one, one.assign(loss="triplet")])))["verdict"]) == {"equivalent"}


def at(table: pd.DataFrame, estimand: str, metric: str) -> pd.Series:
    """The only row of an estimand and a metric."""
    (row,) = (row for _, row in table.iterrows() if (row["estimand"], row["metric"]) == (estimand, metric))
    return row


def test_sentence_12_metrics_that_are_only_shown_have_no_verdict_unless_asked_for() -> None:
    runs = simulated_runs(np.random.default_rng(4), seeds=13, effect=0.1)
    by_default, asked = verdicts(runs), verdicts(runs, ["knn_accuracy"])
    shown = set(by_default.loc[by_default["verdict"] == "shown", "metric"])
    assert shown == {"active_ratio", "active_anchors", "recall_at_2", "recall_at_4", "recall_at_8", "knn_accuracy"}
    row = at(by_default, TUNED, "knn_accuracy")
    assert row["difference"] == pytest.approx(0.1, abs=0.02)
    assert math.isnan(row["p_corrected"])
    assert at(asked, TUNED, "knn_accuracy")["verdict"] == "triplet"
    assert at(asked, TUNED, "recall_at_1")["p_corrected"] > at(by_default, TUNED, "recall_at_1")["p_corrected"]
    with pytest.raises(ValueError, match="unknown metric 'accuracy': choose from map_at_r"):
        verdicts(runs, ["accuracy"])


def test_sentence_5_what_the_losses_do_is_told_tuned_and_at_these_margins() -> None:
    table = judged(verdicts(simulated_runs(np.random.default_rng(4), seeds=13, effect=0.1)))
    mechanism = table[table["family"] == "mechanism"]
    assert mechanism.groupby("estimand").size().to_dict() == {TUNED: 9, GRID_AVERAGE: 9, AT_DEFAULT: 9}


def test_the_default_setting_is_compared_where_both_losses_were_run_with_it() -> None:
    runs = simulated_runs(np.random.default_rng(4), seeds=13, effect=0.1)
    odd = (runs["miner"] == "all") & (runs["margin"] == 1.0) & (runs["loss"] == "triplet")
    runs.loc[odd, "test/map_at_r"] += 0.3
    assert at(verdicts(runs), AT_DEFAULT, "map_at_r")["difference"] == pytest.approx(0.4, abs=0.02)
    assert AT_DEFAULT not in verdicts(runs[~odd])["estimand"].unique()


def test_metrics_that_older_runs_do_not_record_say_so() -> None:
    runs = simulated_runs(np.random.default_rng(4), seeds=13).drop(columns="train/active_negatives_mean")
    table = verdicts(runs)
    reasons = table.loc[table["metric"] == "active_negatives", "reason"]
    assert set(reasons) == {"the runs do not record train/active_negatives_mean"}


def test_sentence_14_seeds_that_no_shared_condition_was_run_with_are_missing() -> None:
    runs = simulated_runs(np.random.default_rng(6), seeds=20, effect=0.05)
    kept = runs[(runs["seed"] < 14) | ((runs["loss"] == "triplet") & (runs["miner"] == "all"))]
    only = kept[~((kept["loss"] == "contrastive") & (kept["miner"] == "all"))]
    row = grid_verdicts(only).set_index("metric").loc["map_at_r"]
    assert (row["n"], row["verdict"]) == (14, "insufficient")
    assert row["missing_share"] == pytest.approx(0.3)


def test_a_dataset_with_a_repeated_condition_does_not_take_the_others_with_it() -> None:
    runs = simulated_runs(np.random.default_rng(21), seeds=13, datasets=("a", "b"), effect=0.1)
    twice = pd.concat([runs, runs[runs["dataset"] == "a"].iloc[:1]])
    table = judged(verdicts(twice))
    bad = table[table["dataset"] == "a"]
    assert len(bad) == len(table) / 2
    assert set(bad["verdict"]) == {"insufficient"}
    assert set(bad["reason"]) == {"a condition stands more than once under one seed and loss"}
    assert "triplet" in set(table.loc[table["dataset"] == "b", "verdict"])
    assert set(slice_verdicts(twice)["dataset"]) == {"a", "b"}
    of_a = [one for one in rope_sensitivity(comparisons(twice)) if one.label == "a"]
    assert {verdict.outcome for one in of_a for verdict in one.verdicts.values()} == {"insufficient"}


def test_a_value_that_is_not_finite_is_missing() -> None:
    runs = simulated_runs(np.random.default_rng(22), seeds=13, effect=0.1)
    runs.loc[runs.index[runs["seed"] == 12][0], ["test/map_at_r", "test/intra_variance"]] = np.inf
    table = grid_verdicts(runs).set_index("metric")
    assert (table.loc["map_at_r", "n"], table.loc["map_at_r", "verdict"]) == (12, "triplet")
    assert table.loc["intra_variance", "n"] == 12
    assert table.loc["recall_at_1", "n"] == 13


def test_a_study_without_runs_has_tables_without_rows() -> None:
    full = verdicts(simulated_runs(np.random.default_rng(14), seeds=8))
    empty = verdicts(pd.DataFrame())
    assert (len(empty), list(empty.columns)) == (0, list(full.columns))
    assert (len(rope_sensitivity(comparisons(pd.DataFrame()))), len(slice_verdicts(pd.DataFrame()))) == (0, 0)
    assert len(overall_verdicts(empty)) == 0
    assert set(claims(pd.DataFrame())["verdict"]) == {"insufficient"}


def test_divergence_may_be_given_as_objects() -> None:
    runs = simulated_runs(np.random.default_rng(23), seeds=13, effect=0.1)
    runs.loc[runs["seed"] == 5, "diverged"] = True
    runs.loc[(runs["seed"] == 1) & (runs["miner"] == "hard"), "diverged"] = True
    pd.testing.assert_frame_equal(verdicts(runs.astype({"diverged": object})), verdicts(runs))
