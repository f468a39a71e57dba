"""Intervals of a mean over seeds, by Student's t."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special


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
