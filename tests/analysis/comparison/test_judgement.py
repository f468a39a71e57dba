from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.comparison import paired_tests
from analysis.comparison.judgement import judge
from analysis.comparison.result import Result

ALIKE = np.linspace(-0.005, 0.005, 13)


def judged(differences: np.ndarray) -> Result:
    untested = Result(metric="map_at_r", first="a", second="b", scale="share", rope=0.01)
    (result,) = judge([paired_tests.tested(untested, 0.5 + differences, np.full(len(differences), 0.5))])
    return result


def with_one_far_off(differences: np.ndarray, by: float) -> np.ndarray:
    return np.concatenate([differences[:-1], differences[-1:] + by])


@pytest.mark.parametrize(("mean", "verdict"), [(0.05, "a"), (-0.05, "b"), (0.0, "equivalent")])
def test_sentence_7_a_verdict_on_skewed_differences_warns_that_its_p_value_may_be_too_small(
    mean: float, verdict: str
) -> None:
    differences = mean + with_one_far_off(ALIKE, 0.04)
    skew = stats.skew(differences)
    result = judged(differences)
    assert (str(result.judged), result.asymmetric) == (verdict, True)
    assert result.skewness == pytest.approx(skew)
    doubt = f"; the differences are skewed (skewness {skew:.1f}), so that the p-value may be too small"
    assert result.judged.reason.endswith(doubt)


def test_sentence_7_a_verdict_on_symmetric_differences_does_not_warn() -> None:
    for differences in (0.05 + ALIKE, ALIKE, np.full(13, 0.05)):
        result = judged(differences)
        assert not result.asymmetric
        assert "skewed" not in result.judged.reason


def test_sentence_7_where_no_test_rejects_no_p_value_is_doubted() -> None:
    for differences in (with_one_far_off(ALIKE, 0.5), with_one_far_off(ALIKE[:7], 0.5)):
        result = judged(differences)
        assert result.asymmetric
        assert result.judged.outcome in ("undecided", "insufficient")
        assert "skewed" not in result.judged.reason
