"""Tests and intervals for paired differences. Arrays of differences have shape (n,), one entry a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

EXACT_UP_TO = 12  # seeds; 2^12 sign patterns are enumerated, more are sampled
FLIPS = 100_000
_TIE = 1e-9  # relative: means that differ by rounding alone count as equal


@dataclass(frozen=True)
class SignFlip:
    """One-sided p-values of a sign-flip test: that the mean is greater, and that it is less."""

    greater: float
    less: float

    @property
    def two_sided(self) -> float:
        """Twice the smaller one, at most 1; for the sign-flip distribution, the two-sided p-value."""
        return min(1.0, 2.0 * min(self.greater, self.less))


class SignFlips:
    """Permutation tests of the mean of paired differences, by flipping signs, against any null.

    Under the null the differences are symmetric about it, so every pattern of signs is equally likely. With at most
    `EXACT_UP_TO` differences all patterns are enumerated; with more, `FLIPS` seeded random patterns are drawn and the
    observed one is added to them, which keeps the test valid.
    """

    def __init__(self, differences: Floats) -> None:
        """Takes differences (n,).

        Raises:
            ValueError: If there is no difference, or one is not finite.
        """
        self._differences = np.asarray(differences, dtype=np.float64)
        if self._differences.size == 0 or not np.isfinite(self._differences).all():
            raise ValueError("the sign-flip test needs at least one difference, all of them finite")
        signs, self._net = _signs(self._differences.size)
        # A matrix product would start threads, which on busy cores wait for each other far longer than this takes.
        self._sums = np.einsum("n,nm->m", self._differences, signs)
        self._tested: dict[float, SignFlip] = {}

    def test(self, null: float = 0.0) -> SignFlip:
        """The test of the mean against `null`, made once."""
        if null not in self._tested:
            self._tested[null] = self._test(null)
        return self._tested[null]

    def _test(self, null: float) -> SignFlip:
        sums = self._sums - null * self._net
        shifted = self._differences - null
        observed, slack = shifted.sum(), _TIE * np.abs(shifted).sum()
        added = 0 if shifted.size <= EXACT_UP_TO else 1
        total = len(sums) + added
        greater = (np.count_nonzero(sums >= observed - slack) + added) / total
        less = (np.count_nonzero(sums <= observed + slack) + added) / total
        return SignFlip(float(greater), float(less))

    def minimum_effect_p(self, rope: float) -> float:
        """Two-sided p-value against the null that the mean lies within ±`rope`."""
        return min(1.0, 2.0 * min(self.test(rope).greater, self.test(-rope).less))

    def equivalence_p(self, rope: float) -> float:
        """P-value against the null that the mean lies outside ±`rope`: the larger of two (Schuirmann 1987)."""
        return max(self.test(-rope).greater, self.test(rope).less)


@lru_cache(maxsize=8)
def _signs(n: int) -> tuple[Floats, Floats]:
    """Patterns of signs [n, m], and how many more pluses than minuses each has [m]."""
    if n <= EXACT_UP_TO:
        patterns = np.arange(2**n) >> np.arange(n)[:, None]
        signs = np.asarray(1.0 - 2.0 * (patterns & 1))
    else:
        generator = np.random.default_rng(20251002 + n)
        signs = np.ascontiguousarray(generator.choice([-1.0, 1.0], size=(FLIPS, n)).T)
    return signs, signs.sum(axis=0)


def paired_t_interval(differences: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """The paired t interval of the mean; infinite for a single difference, a point where all are equal."""
    mean = float(np.mean(differences))
    if differences.size < 2:
        return -np.inf, np.inf
    half = float(stats.t.ppf(0.5 + confidence / 2, differences.size - 1) * stats.sem(differences))
    return mean - half, mean + half


def standardized_mean(differences: Floats) -> float:
    """d_z: the mean over the standard deviation; NaN for a single difference, signed infinity for equal ones."""
    if differences.size < 2:
        return float("nan")
    mean, deviation = float(np.mean(differences)), float(np.std(differences, ddof=1))
    if deviation <= _TIE * abs(mean):
        return float(np.copysign(np.inf, mean)) if mean else 0.0
    return mean / deviation


def probability_of_superiority(differences: Floats, confidence: float = 0.95) -> tuple[float, float, float]:
    """Share of positive differences, ties as a half, with its Clopper-Pearson interval."""
    n = differences.size
    wins = float(np.count_nonzero(differences > 0) + 0.5 * np.count_nonzero(differences == 0))
    tail = (1.0 - confidence) / 2
    low = float(stats.beta.ppf(tail, wins, n - wins + 1)) if wins > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, wins + 1, n - wins)) if wins < n else 1.0
    return wins / n, low, high


def smallest_p(n: int) -> float:
    """The smallest two-sided p-value that the sign-flip test can reach with n differences."""
    one_sided = 0.5**n
    return 2.0 * (one_sided if n <= EXACT_UP_TO else max(one_sided, 1.0 / (FLIPS + 1)))
