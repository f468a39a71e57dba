from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from analysis.statistics.corrections import benjamini_hochberg, holm, partial_conjunction

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(P_VALUES)
def test_sentence_12_slices_are_corrected_by_benjamini_and_hochberg_as_scipy_does(p_values: list[float]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p_values), false_discovery_control(p_values), atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p_values), multipletests(p_values, method="fdr_bh")[1], atol=1e-12)


def test_a_test_that_was_not_made_does_not_count() -> None:
    with_gap = np.array([0.01, np.nan, 0.04])
    for correct in (holm, benjamini_hochberg):
        corrected = correct(with_gap)
        assert np.isnan(corrected[1])
        np.testing.assert_allclose(corrected[[0, 2]], correct(with_gap[[0, 2]]))


@settings(max_examples=100, deadline=None)
@given(P_VALUES)
def test_sentence_19_partial_conjunction_is_bonferroni_for_one_effect_and_the_largest_p_for_all(
    p_values: list[float],
) -> None:
    assert partial_conjunction(p_values, 1) == pytest.approx(min(1.0, len(p_values) * min(p_values)))
    assert partial_conjunction(p_values, len(p_values)) == pytest.approx(max(p_values))


def test_sentence_19_partial_conjunction_rejects_at_most_at_its_level_where_one_effect_too_few_exists() -> None:
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(2000):
        p_values = np.concatenate([np.zeros(2), rng.uniform(size=3)])  # two of five effects exist, three are claimed
        rejected += partial_conjunction(p_values, 3) <= 0.05
    assert rejected / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
