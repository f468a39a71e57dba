from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.statistics.intervals import paired_t_interval, with_t_intervals


def test_sentence_10_the_interval_is_the_paired_t_interval_and_covers() -> None:
    rng = np.random.default_rng(5)
    pairs = rng.normal(0, 1, (10, 2))
    expected = stats.ttest_rel(pairs[:, 0], pairs[:, 1]).confidence_interval(0.95)
    assert paired_t_interval(pairs[:, 0] - pairs[:, 1]) == pytest.approx((expected.low, expected.high))
    covered = [low <= 0.4 <= high for low, high in (paired_t_interval(rng.normal(0.4, 1, 8)) for _ in range(2000))]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_a_tables_intervals_are_those_of_its_samples_and_one_seed_has_none() -> None:
    samples = [np.random.default_rng(n).normal(0, 1, n) for n in (1, 2, 13)]
    rows = pd.DataFrame(
        [{"n": len(own), "mean": own.mean(), "sem": pd.Series(own).sem()} for own in samples], index=["a", "b", "c"]
    )
    found = with_t_intervals(rows)
    assert found.loc["a", ["low", "high"]].isna().all()
    for name, own in zip("bc", samples[1:], strict=True):
        assert tuple(found.loc[name, ["low", "high"]]) == pytest.approx(paired_t_interval(own))
