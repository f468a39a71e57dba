"""`compare` on tables that did not come from this harness."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from analysis import compare
from analysis.statistics.sign_flips import SignFlips


def results(seed: int, folds: int = 10, effect: float = 0.05) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    base = rng.normal(0.8, 0.03, folds)
    arms = {"new": base + effect + rng.normal(0, 0.01, folds), "old": base}
    return pd.concat(
        pd.DataFrame({"fold": range(folds), "model": arm, "accuracy": values, "seconds": np.exp(5 * values)})
        for arm, values in arms.items()
    )


ARMS = {"pair_by": "fold", "between": "model", "first": "new", "second": "old"}


def test_the_tests_agree_with_scipys_and_statsmodels() -> None:
    frame = results(0)
    row = compare(frame, metric="accuracy", **ARMS).iloc[0]  # type: ignore[arg-type]
    wide = frame.pivot(index="fold", columns="model", values="accuracy")
    d = (wide["new"] - wide["old"]).to_numpy()
    exact = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert row["p_value"] == pytest.approx(exact.pvalue)
    low, high = stats.ttest_1samp(d, 0).confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert row["verdict"] == "new"


def test_sentence_8_equivalence_agrees_with_the_t_based_tost_of_statsmodels() -> None:
    """Another test of the same hypothesis: close, not equal, wherever on the scale of p-values."""
    rng = np.random.default_rng(1)
    compared = 0
    for mean in np.linspace(0.0, 0.012, 40):
        differences = rng.normal(mean, 0.02, 25)
        expected = DescrStatsW(differences).ttost_mean(-0.01, 0.01)[0]
        if 0.02 <= expected <= 0.5:
            assert SignFlips(differences).equivalence_p(0.01) == pytest.approx(expected, rel=0.15)
            compared += 1
    assert compared >= 20


def test_metrics_are_corrected_for_each_other_and_ratios_are_ratios() -> None:
    frame = results(1)
    both = compare(frame, metric=["accuracy", "seconds"], scale="log", **ARMS)  # type: ignore[arg-type]
    assert (both["p_corrected"] >= both["p_value"]).all()
    wide = frame.pivot(index="fold", columns="model", values="seconds")
    expected = np.exp(np.log(wide["new"] / wide["old"]).mean())
    assert both.set_index("metric").loc["seconds", "difference"] == pytest.approx(expected)


def test_rows_of_one_pair_are_averaged_and_incomplete_pairs_dropped() -> None:
    frame = results(2, folds=20)
    repeated = pd.concat([frame, frame, frame])
    once, thrice = (compare(table, metric="accuracy", **ARMS).iloc[0] for table in (frame, repeated))  # type: ignore[arg-type]
    assert (once["n"], once["p_value"]) == (thrice["n"], thrice["p_value"])
    gap = frame[~((frame["model"] == "new") & (frame["fold"] < 3))]
    row = compare(gap, metric="accuracy", **ARMS).iloc[0]  # type: ignore[arg-type]
    assert (row["n"], row["verdict"]) == (17, "insufficient")


def test_a_row_without_a_value_makes_its_pair_incomplete() -> None:
    frame = pd.concat([results(2, folds=20)] * 3, ignore_index=True)
    frame.loc[frame.index[0], "accuracy"] = np.nan  # one of three rows of its fold and arm
    row = compare(frame, metric="accuracy", **ARMS).iloc[0]  # type: ignore[arg-type]
    assert (row["n"], row["missing_share"]) == (19, pytest.approx(1 / 20))


def test_pairs_of_a_third_arm_are_not_missing() -> None:
    frame = results(2, folds=10)
    other = frame[frame["model"] == "old"].assign(model="other")
    frame = pd.concat([frame, other, other.assign(fold=other["fold"] + 10)])
    row = compare(frame, metric="accuracy", **ARMS).iloc[0]  # type: ignore[arg-type]
    assert (row["n"], row["missing_share"], row["verdict"]) == (10, 0.0, "new")


def test_categories_that_no_row_has_are_not_missing() -> None:
    frame = results(2, folds=10)
    expected = compare(frame, metric="accuracy", **ARMS).iloc[0]  # type: ignore[arg-type]
    frame["fold"] = pd.Categorical(frame["fold"], categories=range(30))
    frame["model"] = pd.Categorical(frame["model"], categories=["old", "new", "never"])
    row = compare(frame, metric="accuracy", **ARMS).iloc[0]  # type: ignore[arg-type]
    pd.testing.assert_series_equal(row, expected)


def test_the_region_of_practical_equivalence_is_as_given() -> None:
    wide, narrow = (
        compare(results(4, effect=0.03), metric="accuracy", rope=rope, **ARMS).iloc[0]  # type: ignore[arg-type]
        for rope in (0.1, 0.001)
    )
    assert (wide["rope"], wide["verdict"]) == (0.1, "equivalent")
    assert (narrow["rope"], narrow["verdict"]) == (0.001, "new")


def changed(column: str, value: float | str | None) -> pd.DataFrame:
    frame = results(3).reset_index(drop=True).astype({column: object})
    frame.loc[0, column] = value
    return frame


REFUSED = [
    (results(3), {"rope": 0.0}, "rope must be positive and finite, not 0.0"),
    (results(3), {"rope": math.nan}, "rope must be positive and finite, not nan"),
    (results(3), {"rope": math.inf}, "rope must be positive and finite, not inf"),
    (results(3), {"scale": "ratio"}, "unknown scale 'ratio': choose from share, log, epochs"),
    (results(3), {"pair_by": []}, "pair_by must name at least one column"),
    (results(3), {"metric": []}, "metric must name at least one column"),
    (results(3), {"metric": ["accuracy", "accuracy"]}, "the column 'accuracy' is named more than once"),
    (results(3), {"pair_by": ["fold", "model"]}, "the column 'model' is named more than once"),
    (results(3), {"first": "old"}, "first and second are both 'old'"),
    (results(3), {"second": None}, "name both first and second, or neither"),
    (
        pd.concat([results(3), results(3)["accuracy"]], axis=1),
        {},
        "the table has more than one column 'accuracy'",
    ),
    (changed("fold", None), {}, "a row has no 'fold', so that it cannot be paired"),
    (changed("accuracy", "high"), {}, "the column 'accuracy' holds what is not a number"),
    (changed("accuracy", np.inf), {}, "the column 'accuracy' holds an infinite value"),
    (
        changed("accuracy", 0.0),
        {"scale": "log"},
        "the column 'accuracy' holds a value that is not positive: it has no logarithm",
    ),
    (
        changed("accuracy", 83.5),
        {},
        "the column 'accuracy' holds 83.5, which is no share from 0 to 1: divide percentages by 100, or give another "
        "scale ('epochs' compares any values, with a rope in their unit)",
    ),
    (
        changed("accuracy", -0.2),
        {},
        "the column 'accuracy' holds -0.2, which is no share from 0 to 1: give another scale ('epochs' compares any "
        "values, with a rope in their unit)",
    ),
]


@pytest.mark.parametrize(("frame", "options", "expected"), REFUSED, ids=[expected for _, _, expected in REFUSED])
def test_what_cannot_be_compared_is_refused_in_one_line(
    frame: pd.DataFrame, options: dict[str, object], expected: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        compare(frame, **{"metric": "accuracy", **ARMS, **options})  # type: ignore[arg-type]


def test_percentages_are_compared_where_they_are_no_shares_and_shares_may_be_rounded() -> None:
    frame = results(3)
    percent = frame.assign(accuracy=100 * frame["accuracy"])
    shares = compare(frame, metric="accuracy", **ARMS).iloc[0]  # type: ignore[arg-type]
    points = compare(percent, metric="accuracy", scale="epochs", **ARMS).iloc[0]  # type: ignore[arg-type]
    assert points["difference"] == pytest.approx(100 * shares["difference"])
    assert points["verdict"] == shares["verdict"]
    for value in (1 + 1e-12, -1e-12):
        compare(changed("accuracy", value), metric="accuracy", **ARMS)  # type: ignore[arg-type]


def test_what_is_not_in_the_table_is_named() -> None:
    with pytest.raises(ValueError, match="no column 'f1': it has fold, model, accuracy, seconds"):
        compare(results(3), metric="f1", **ARMS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no row has model = 'triplet': there are new, old"):
        compare(results(3), pair_by="fold", metric="accuracy", between="model", first="triplet", second="old")


def test_of_two_arms_that_are_not_named_the_later_in_the_alphabet_is_the_first() -> None:
    named = compare(results(3), pair_by="fold", metric="accuracy", between="model", first="old", second="new")
    pd.testing.assert_frame_equal(compare(results(3), pair_by="fold", metric="accuracy", between="model"), named)
    other = results(3).replace("old", "other")
    with pytest.raises(ValueError, match=r"^name first and second: 'model' holds new, old, other$"):
        compare(
            pd.concat([results(3), other[other["model"] == "other"]]),
            pair_by="fold",
            metric="accuracy",
            between="model",
        )


def test_arms_that_are_no_text_must_be_named() -> None:
    numbered = results(3).replace({"new": 1, "old": 0})
    with pytest.raises(ValueError, match="name first and second"):
        compare(numbered, pair_by="fold", metric="accuracy", between="model")


@pytest.mark.parametrize("arm", ["n", "verdict", "first"])
def test_an_arm_may_be_called_like_a_column_of_the_result(arm: str) -> None:
    row = compare(results(3).replace("new", arm), metric="accuracy", **{**ARMS, "first": arm}).iloc[0]  # type: ignore[arg-type]
    assert (row["first"], row["side"], row["verdict"], row["strength"]) == (arm, arm, arm, "clear")
