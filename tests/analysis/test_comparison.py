"""`compare` on tables that did not come from this harness."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from analysis import compare
from analysis.inference import SignFlips


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
    # The t-based TOST is another test of the same hypothesis: close, not equal.
    tost = DescrStatsW(d).ttost_mean(-0.06, 0.06)[0]
    assert SignFlips(d).equivalence_p(0.06) == pytest.approx(tost, abs=0.05)
    assert row["verdict"] == "new"


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


def test_what_is_not_in_the_table_is_named() -> None:
    with pytest.raises(ValueError, match="no column 'f1': it has fold, model, accuracy, seconds"):
        compare(results(3), metric="f1", **ARMS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no row has model = 'triplet': there are new, old"):
        compare(results(3), pair_by="fold", metric="accuracy", between="model")
