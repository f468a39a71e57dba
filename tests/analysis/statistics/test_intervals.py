from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from analysis.statistics.intervals import paired_t_interval, simultaneous_t_quantile, with_t_intervals


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


def paths(rng: np.random.Generator, studies: int, seeds: int, points: int, waves: int) -> np.ndarray:
    """Smooth normal curves [studies, seeds, points]: a level of each, and waves that are as large."""
    where = np.linspace(0, 1, points)
    shapes = np.cos(np.pi * np.arange(waves + 1)[:, None] * where)
    return rng.normal(0, 1, (studies, seeds, waves + 1)) @ shapes


@pytest.mark.parametrize(("seeds", "points", "waves"), [(6, 8, 1), (8, 24, 2), (13, 64, 3), (8, 8, 7)])
def test_sentence_6_the_simultaneous_band_covers_the_whole_curve_and_is_not_much_too_wide(
    seeds: int, points: int, waves: int
) -> None:
    curves = paths(np.random.default_rng(seeds), 1000, seeds, points, waves)
    statistics = np.abs(curves.mean(axis=1)) / curves.std(axis=1, ddof=1) * np.sqrt(seeds)
    quantiles = np.array([simultaneous_t_quantile(own) for own in curves])
    assert 0.935 <= np.mean(statistics.max(axis=1) <= quantiles) <= 0.985
    least = stats.t.ppf(0.975, seeds - 1)
    assert np.mean(statistics.max(axis=1) <= least) < 0.93  # as the intervals at each point do not
    assert least < quantiles.min() <= quantiles.max() <= stats.t.ppf(1 - 0.025 / points, seeds - 1) * (1 + 1e-9)


def test_sentence_6_the_band_of_curves_that_differ_by_a_constant_is_the_t_interval() -> None:
    curves = np.random.default_rng(0).normal(0, 1, (9, 1)) + np.linspace(0, 3, 20)
    assert simultaneous_t_quantile(curves) == pytest.approx(stats.t.ppf(0.975, 8), rel=1e-6)
    assert simultaneous_t_quantile(curves[:, :1]) == pytest.approx(stats.t.ppf(0.975, 8))


@pytest.mark.parametrize("alike", [1, 20])
def test_sentence_6_the_band_of_points_that_know_nothing_of_each_other_is_bonferronis(alike: int) -> None:
    curves = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    found = simultaneous_t_quantile(np.repeat(curves, alike, axis=1))
    assert found == pytest.approx(stats.t.ppf(1 - 0.025 / 3, 5), rel=1e-6)


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(2, 9), st.integers(1, 12)), elements=st.floats(-1, 1, width=32)),
    st.floats(0.01, 100),
)
def test_a_band_lies_between_the_t_interval_and_bonferronis_whatever_the_unit(curves: np.ndarray, unit: float) -> None:
    found = simultaneous_t_quantile(curves)
    seeds, points = curves.shape
    assert (
        stats.t.ppf(0.975, seeds - 1) * (1 - 1e-9) <= found <= stats.t.ppf(1 - 0.025 / points, seeds - 1) * (1 + 1e-9)
    )
    assert simultaneous_t_quantile(curves * unit) == pytest.approx(found, rel=1e-3)
    assert simultaneous_t_quantile(curves[:, ::-1]) == pytest.approx(found, rel=1e-6)


def test_points_at_which_all_curves_are_equal_do_not_count_and_a_single_curve_has_no_band() -> None:
    curves = paths(np.random.default_rng(1), 1, 8, 10, 3)[0]
    still = np.insert(curves, 4, 0.7, axis=1)
    still[::2, 4] += 1e-16  # equal but for rounding
    assert simultaneous_t_quantile(still) == simultaneous_t_quantile(curves)
    assert simultaneous_t_quantile(np.zeros((8, 5))) == pytest.approx(stats.t.ppf(0.975, 7))
    assert np.isnan(simultaneous_t_quantile(curves[:1]))
