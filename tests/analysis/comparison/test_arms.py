from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import overall_verdicts, verdicts
from analysis.comparison.arms import ArmPair, arm_pairs
from analysis.comparison.comparisons import comparisons
from analysis.metrics import METRICS
from tests.analysis.studies import judged, simulated_runs


def three_arms() -> pd.DataFrame:
    """The two losses, and a third that does as well as the better one."""
    runs = simulated_runs(np.random.default_rng(0), seeds=13, effect=0.1)
    third = runs[runs["loss"] == "triplet"]
    return pd.concat([runs, third.assign(loss="softmax", key="softmax " + third["key"])], ignore_index=True)


def test_a_pair_has_one_sign_whatever_the_order_of_its_arms() -> None:
    assert arm_pairs(["triplet", "contrastive"]) == arm_pairs(["contrastive", "triplet"])
    assert arm_pairs(["b", "a", "c"]) == [ArmPair("b", "a"), ArmPair("c", "a"), ArmPair("c", "b")]
    assert arm_pairs(["alone", "alone"]) == []


def test_a_study_of_three_arms_has_a_row_for_each_pair() -> None:
    table = verdicts(three_arms())
    primary = table[(table["metric"] == "map_at_r") & (table["estimand"] == "tuned")].set_index(["first", "second"])
    assert primary["verdict"].to_dict() == {
        ("softmax", "contrastive"): "softmax",
        ("triplet", "contrastive"): "triplet",
        ("triplet", "softmax"): "equivalent",
    }
    assert primary.loc[("triplet", "contrastive"), "side"] == "triplet"
    whole = overall_verdicts(table)
    assert len(whole) == 3 * 3 * sum(metric.judged for metric in METRICS)


def test_the_tests_of_all_pairs_are_one_family() -> None:
    of_three = judged(verdicts(three_arms()))
    of_two = judged(verdicts(simulated_runs(np.random.default_rng(0), seeds=13, effect=0.1))).reset_index(drop=True)
    pair = of_three[(of_three["first"] == "triplet") & (of_three["second"] == "contrastive")].reset_index(drop=True)
    pd.testing.assert_series_equal(pair["p_value"], of_two["p_value"])
    assert (pair["p_corrected"] >= of_two["p_corrected"]).all()
    assert (pair["p_corrected"] > of_two["p_corrected"]).any()


def test_a_dataset_that_lacks_an_arm_is_compared_on_the_others() -> None:
    runs = three_arms()
    other = runs[runs["loss"] != "softmax"].assign(dataset="birds", data_digest="birds")
    compared = comparisons(pd.concat([runs, other], ignore_index=True))
    arms = [tuple(one.arms) for one in compared if one.dataset == "birds"]
    assert arms == [("triplet", "contrastive")]
    assert {one.label for one in compared if one.dataset == "birds"} == {"birds: triplet and contrastive"}
