"""Corrections for several tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control

Floats = npt.NDArray[np.float64]


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Holm's step-down adjusted p-values (Holm 1979); they control the family-wise error rate.

    Args:
        p_values: (m,); NaN stands for a test that was not made: it stays NaN and does not count.

    Returns:
        (m,) adjusted p-values, in the order given.
    """
    values = np.asarray(p_values, dtype=np.float64)
    made = np.flatnonzero(~np.isnan(values))
    ascending = made[np.argsort(values[made], kind="stable")]
    factors = np.arange(len(ascending), 0, -1)
    adjusted = np.full_like(values, np.nan)
    adjusted[ascending] = np.minimum(np.maximum.accumulate(values[ascending] * factors), 1.0)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float] | Floats) -> Floats:
    """Benjamini and Hochberg's step-up adjusted p-values (1995), by SciPy; they control the false discovery rate.

    Args:
        p_values: (m,); NaN as for `holm`.

    Returns:
        (m,) adjusted p-values, in the order given.
    """
    values = np.asarray(p_values, dtype=np.float64)
    made = ~np.isnan(values)
    adjusted = np.full_like(values, np.nan)
    if made.any():
        adjusted[made] = false_discovery_control(values[made])
    return adjusted


def partial_conjunction(p_values: Sequence[float] | Floats, least: int) -> float:
    """P-value against the null that fewer than `least` of the tested effects exist (Benjamini and Heller 2008).

    With p-values in ascending order p_(1) to p_(k) it is (k - least + 1) p_(least), their form of Bonferroni's
    method, which holds under any dependence.

    Args:
        p_values: (k,); NaN stands for a test that was not made, and counts as 1.
        least: How many effects are claimed, from 1 to k.
    """
    values = np.sort(np.nan_to_num(np.asarray(p_values, dtype=np.float64), nan=1.0))
    return float(min(1.0, (len(values) - least + 1) * values[least - 1]))
