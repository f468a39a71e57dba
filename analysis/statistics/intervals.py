"""Intervals of a mean over seeds, by Student's t, and bands of a mean curve."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import brentq

_STILL = 1e-12  # relative: curves that differ by rounding alone count as equal


def paired_t_interval(differences: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    """The paired t interval of the mean; infinite for a single difference, a point where all are equal."""
    mean = float(np.mean(differences))
    if differences.size < 2:
        return -np.inf, np.inf
    standard_error = np.std(differences, ddof=1) / np.sqrt(differences.size)
    half = float(special.stdtrit(differences.size - 1, 0.5 + confidence / 2) * standard_error)
    return mean - half, mean + half


def with_t_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``n``, ``mean`` and ``sem`` with ``low`` and ``high``: 95% t intervals, NaN where n is 1."""
    half = special.stdtrit(np.maximum(rows["n"] - 1, 1), 0.975) * rows["sem"]
    return rows.assign(low=rows["mean"] - half, high=rows["mean"] + half)


def simultaneous_t_quantile(curves: NDArray[np.float64], confidence: float = 0.95) -> float:
    """How many standard errors the mean curve's simultaneous band reaches to each side.

    The band holds the whole expected curve with that confidence. Curves are independent of each other and taken for
    normal, as the t interval takes differences; along the points they may be correlated in any way, and the more they
    are, the narrower the band.

    The chance that the t statistic exceeds a height u at any point is at most that of its doing so at the first point
    and those of its rising above u between a point and the next. Of n normal curves, with v = n - 1, the latter is at
    most the expected number of its upcrossings, theta / (2 pi) (1 + u^2 / v)^(-(v - 1) / 2), where cos(theta) is the
    correlation of the two points: the Gaussian kinematic formula of t processes (Telschow and Schwartzman 2022). It is
    at most the chance of exceeding u at the next point as well, so that no band is wider than Bonferroni's. The
    correlations are estimated from the curves' deviations from their mean.

    Args:
        curves: [n, m], one row a seed, the points in their order.
        confidence: That the band holds the curve at all points at once.

    Returns:
        Between Student's t quantile, for curves that differ by a constant, and Bonferroni's over the m points. Points
        at which all curves are equal do not count. NaN for a single curve.
    """
    count = len(curves)
    if count < 2:
        return math.nan
    freedom, tails = count - 1, (1 - confidence) / 2
    deviations = curves - curves.mean(axis=0)
    lengths = np.sqrt((deviations**2).sum(axis=0))
    moving = lengths > _STILL * np.abs(curves).max(axis=0)
    directions = deviations[:, moving] / lengths[moving]
    angles = np.arccos(np.clip((directions[:, 1:] * directions[:, :-1]).sum(axis=0), -1.0, 1.0))

    def excess(height: float) -> float:
        """By how much the chance of a t statistic above that height, at any point, is too large."""
        tail = special.stdtr(freedom, -height)
        upcrossings = angles / (2 * np.pi) * (1 + height**2 / freedom) ** (-(freedom - 1) / 2)
        return float(tail + np.minimum(upcrossings, tail).sum() - tails)

    least = float(special.stdtrit(freedom, 1 - tails))
    most = float(special.stdtrit(freedom, 1 - tails / (angles.size + 1)))
    return least if excess(least) <= 0 else most if excess(most) >= 0 else float(brentq(excess, least, most))
