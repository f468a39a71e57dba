from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from analysis.statistics.corrections import holm
from analysis.statistics.sign_flips import (
    SignFlips,
    probability_of_superiority,
    skewness,
    smallest_p,
    standardized_mean,
)

DIFFERENCES = st.lists(st.floats(-3, 3).map(lambda value: round(value, 3)), min_size=1, max_size=12).map(np.array)


@settings(max_examples=60, deadline=None)
@given(DIFFERENCES, st.floats(-1, 1))
def test_sentence_7_up_to_16_differences_the_sign_flip_test_is_exact(differences: np.ndarray, null: float) -> None:
    shifted = differences - null
    sums = np.array([np.dot(signs, shifted) for signs in itertools.product((1, -1), repeat=len(shifted))])
    result = SignFlips(differences).test(null)
    assert result.greater == pytest.approx(np.mean(sums >= shifted.sum() - 1e-9 * np.abs(shifted).sum()))
    assert result.less == pytest.approx(np.mean(sums <= shifted.sum() + 1e-9 * np.abs(shifted).sum()))


def test_sentence_7_equals_scipys_permutation_test() -> None:
    rng = np.random.default_rng(0)
    for n in (5, 9, 16):
        differences = rng.normal(0.3, 1, n)
        expected = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater"
        )
        assert SignFlips(differences).test().greater == pytest.approx(expected.pvalue)
        expected = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert SignFlips(differences).test().two_sided == pytest.approx(expected.pvalue)


def test_sentence_7_all_65536_patterns_of_16_differences_count() -> None:
    differences = np.random.default_rng(1).normal(0.3, 1, 16)
    patterns = 1 - 2 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1)
    for null in (0.0, 0.2, -0.5):
        shifted = differences - null
        sums = patterns @ shifted
        result = SignFlips(differences).test(null)
        assert result.greater == np.count_nonzero(sums >= shifted.sum() - 1e-9) / 65_536
        assert result.less == np.count_nonzero(sums <= shifted.sum() + 1e-9) / 65_536
    assert SignFlips(np.ones(16)).test().two_sided == smallest_p(16) == 2 / 65_536


def test_sentence_7_sums_that_tie_with_the_observed_one_count_as_extreme() -> None:
    assert SignFlips(np.array([0.1, 0.2, 0.3, -0.3, -0.2, -0.1])).test().two_sided == 1.0
    assert SignFlips(np.full(13, 0.1)).test(0.1).two_sided == 1.0


def test_sentence_7_beyond_16_differences_flips_are_seeded_and_close_to_exact() -> None:
    differences = np.random.default_rng(1).normal(0.3, 1, 17)
    for null in (0.0, 0.2):
        sums = (1 - 2 * ((np.arange(2**17)[:, None] >> np.arange(17)) & 1)) @ (differences - null)
        exact = float(np.mean(sums >= (differences - null).sum() - 1e-9))
        assert SignFlips(differences).test(null).greater == pytest.approx(exact, abs=0.005)
    assert SignFlips(differences).test() == SignFlips(differences).test()
    assert smallest_p(17) <= SignFlips(np.ones(17)).test().two_sided < 1e-4


@settings(max_examples=60, deadline=None)
@given(DIFFERENCES)
def test_sentence_7_skewness_is_that_of_scipy(differences: np.ndarray) -> None:
    if np.ptp(differences) < 1e-6:
        differences = np.full(13, differences[0])
        assert np.isnan(skewness(differences))
    else:
        assert skewness(differences) == pytest.approx(stats.skew(differences), abs=1e-6)


def test_sentence_7_skewed_differences_make_the_p_value_too_small() -> None:
    """What the warning is for: the rate of false positives at a true mean of zero, and how often it is given."""
    rng, studies = np.random.default_rng(8), 1000
    skewed = rng.lognormal(0, 1, (studies, 13)) - np.exp(0.5)
    rejected = np.array([SignFlips(row).test().two_sided <= 0.05 for row in skewed])
    warned = np.array([abs(skewness(row)) > 1.5 for row in skewed])
    assert 0.1 < rejected.mean() < 0.2
    assert warned.mean() > 0.4
    assert np.mean([abs(skewness(row)) > 1.5 for row in rng.normal(size=(studies, 13))]) < 0.02


def test_sentence_7_false_positives_are_at_most_nominal() -> None:
    rng = np.random.default_rng(2)
    for n in (8, 10, 13):
        rejected = np.mean([SignFlips(rng.normal(0, 1, n)).test().two_sided <= 0.05 for _ in range(1000)])
        assert rejected <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


def test_sentence_8_minimum_effect_and_equivalence_are_nominal_at_the_edge_of_the_rope() -> None:
    rng = np.random.default_rng(3)
    edge = [rng.normal(0.01, 0.01, 10) for _ in range(1500)]
    limit = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)
    assert np.mean([SignFlips(d).minimum_effect_p(0.01) <= 0.05 for d in edge]) <= limit
    assert np.mean([SignFlips(d).equivalence_p(0.01) <= 0.05 for d in edge]) <= limit


def test_sentence_8_clear_cases_are_recognised() -> None:
    rng = np.random.default_rng(4)
    large, tiny = rng.normal(0.05, 0.01, 10), rng.normal(0.001, 0.001, 10)
    assert SignFlips(large).minimum_effect_p(0.01) <= 0.01
    assert SignFlips(large).equivalence_p(0.01) > 0.9
    assert SignFlips(tiny).equivalence_p(0.01) <= 0.01
    assert SignFlips(tiny).minimum_effect_p(0.01) > 0.9
    assert SignFlips(tiny).test().two_sided == pytest.approx(SignFlips(-tiny).test().two_sided)


def test_sentence_11_effects() -> None:
    differences = np.array([1.0, 2.0, 0.0, -1.0, 3.0, 0.0, 1.0, 2.0])
    assert standardized_mean(differences) == pytest.approx(differences.mean() / differences.std(ddof=1))
    share, low, high = probability_of_superiority(differences)
    assert share == pytest.approx((5 + 2 * 0.5) / 8)
    assert (low, high) == pytest.approx(proportion_confint(6, 8, method="beta"))
    assert probability_of_superiority(np.array([0.0, 0.0]))[0] == 0.5


def test_sentence_12_holm_equals_statsmodels() -> None:
    rng = np.random.default_rng(6)
    for size in (1, 2, 7, 30):
        p_values = rng.uniform(0, 1, size) ** 3
        np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])
    with_gap = holm([0.01, np.nan, 0.04])
    np.testing.assert_allclose(with_gap[[0, 2]], [0.02, 0.04])
    assert np.isnan(with_gap[1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=15))
def test_sentence_12_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert (adjusted >= np.array(p_values) - 1e-12).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


def test_sentence_13_five_seeds_can_never_reject() -> None:
    assert SignFlips(np.ones(5)).test().two_sided == smallest_p(5) > 0.05
    assert SignFlips(np.ones(6)).test().two_sided == smallest_p(6) < 0.05
    assert SignFlips(np.array([1 + seed / 12 for seed in range(13)])).test().two_sided >= smallest_p(13)


@pytest.mark.parametrize("bad", [np.array([]), np.array([1.0, np.nan]), np.array([np.inf])])
def test_differences_must_be_finite_and_present(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        SignFlips(bad).test()
