"""Tests and effects of paired differences. Arrays of differences have shape (n,), one entry a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

EXACT_UP_TO = 16  # seeds; of their sign patterns (65,536) all count, of more seeds' a sample
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
    `EXACT_UP_TO` differences all patterns count; with more, `FLIPS` seeded random patterns are drawn and the observed
    one is added to them, which keeps the test valid (Phipson and Smyth 2010).
    """

    def __init__(self, differences: Floats) -> None:
        """Takes differences (n,).

        Raises:
            ValueError: If there is no difference, or one is not finite.
        """
        self._differences = np.asarray(differences, dtype=np.float64)
        if self._differences.size == 0 or not np.isfinite(self._differences).all():
            raise ValueError("the sign-flip test needs at least one difference, all of them finite")
        self._flipped = _flipped_sums(self._differences) if self._differences.size > EXACT_UP_TO else None
        self._tested: dict[float, SignFlip] = {}

    def test(self, null: float = 0.0) -> SignFlip:
        """The test of the mean against `null`, made once."""
        if null not in self._tested:
            self._tested[null] = self._test(null)
        return self._tested[null]

    def _test(self, null: float) -> SignFlip:
        shifted = self._differences - null
        observed, slack = float(shifted.sum()), _TIE * float(np.abs(shifted).sum())
        least, most = observed - slack, observed + slack
        if self._flipped is None:
            return _exact(shifted, least, most)
        sums = self._flipped - null * _net_signs(shifted.size)
        greater, less = np.count_nonzero(sums >= least) + 1, np.count_nonzero(sums <= most) + 1
        return SignFlip(greater / (FLIPS + 1), less / (FLIPS + 1))

    def minimum_effect_p(self, rope: float) -> float:
        """Two-sided p-value against the null that the mean lies within ±`rope`."""
        return min(1.0, 2.0 * min(self.test(rope).greater, self.test(-rope).less))

    def equivalence_p(self, rope: float) -> float:
        """P-value against the null that the mean lies outside ±`rope`: the larger of two (Schuirmann 1987)."""
        return max(self.test(-rope).greater, self.test(rope).less)


def _exact(values: Floats, least: float, most: float) -> SignFlip:
    """The shares of all patterns of signs whose sum of the values (n,) is at least, and at most, something.

    A sum of all values is one of the first half and one of the second: 2^n sums are counted from 2^(n/2) sorted ones.
    """
    half, patterns = values.size // 2, 2.0**values.size
    first, second = values[:half] @ _all_signs(half), np.sort(values[half:] @ _all_signs(values.size - half))
    too_small = np.searchsorted(second, least - first, side="left").sum()
    small_enough = np.searchsorted(second, most - first, side="right").sum()
    return SignFlip(float(1.0 - too_small / patterns), float(small_enough / patterns))


@lru_cache(maxsize=EXACT_UP_TO)
def _all_signs(n: int) -> Floats:
    """Every pattern of signs, [n, 2^n]."""
    return np.asarray(1.0 - 2.0 * ((np.arange(2**n) >> np.arange(n)[:, None]) & 1))


@lru_cache(maxsize=8)
def _random_signs(n: int) -> Floats:
    """Patterns of signs [n, FLIPS]."""
    generator = np.random.default_rng(20251002 + n)
    return np.ascontiguousarray(generator.choice([-1.0, 1.0], size=(FLIPS, n)).T)


@lru_cache(maxsize=8)
def _net_signs(n: int) -> Floats:
    """How many more pluses than minuses each random pattern has, [FLIPS]."""
    return np.asarray(_random_signs(n).sum(axis=0))


def _flipped_sums(differences: Floats) -> Floats:
    """The sum of the differences (n,) under each random pattern of signs, [FLIPS]."""
    # A matrix product would start threads, which on busy cores wait for each other far longer than this takes.
    return np.asarray(np.einsum("n,nm->m", differences, _random_signs(differences.size)))


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
    low = float(special.betaincinv(wins, n - wins + 1, tail)) if wins > 0 else 0.0
    high = float(special.betaincinv(wins + 1, n - wins, 1 - tail)) if wins < n else 1.0
    return wins / n, low, high


def skewness(differences: Floats) -> float:
    """Moment skewness m3 / m2^1.5, with means over n (g1; `scipy.stats.skew`); NaN where all differences are equal.

    Of 13 differences it is 3.2 at most.
    """
    centred = differences - differences.mean()
    second = float(np.mean(centred**2))
    if np.sqrt(second) <= _TIE * np.abs(differences).max():
        return float("nan")
    return float(np.mean(centred**3) / second**1.5)


def smallest_p(n: int) -> float:
    """The smallest two-sided p-value that the sign-flip test can reach with n differences."""
    return 2.0 * (0.5**n if n <= EXACT_UP_TO else 1.0 / (FLIPS + 1))
