"""Decay times that some runs never reach."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd


def kaplan_meier(times: npt.ArrayLike, censored: npt.ArrayLike) -> pd.DataFrame:
    """The product-limit estimate of the share that has not got there yet (Kaplan and Meier 1958).

    Args:
        times: (n,) when each got there, or was last seen not to have. One that is NaN tells neither: it is left out,
            and counted in ``attrs["missing"]`` of the result.
        censored: (n,) whether it was the latter.

    Returns:
        Columns ``time``, ``at_risk``, ``events`` and ``survival`` after that time, from time 0 on; greater is slower.
        A time at which some got there and others were censored counts the latter as at risk.

    Raises:
        ValueError: If the lengths differ.

    Examples:
        >>> kaplan_meier([2, 3, 3, 5], [False, False, True, True])["survival"].round(2).tolist()
        [1.0, 0.75, 0.5, 0.5]
    """
    when, never = np.asarray(times, dtype=np.float64), np.asarray(censored, dtype=bool)
    if when.shape != never.shape:
        raise ValueError(f"{when.size} times but {never.size} marks of censoring")
    known = ~np.isnan(when)
    missing = int(when.size - known.sum())
    when, never = when[known], never[known]
    moments = np.unique(when)
    at_risk = (when[:, None] >= moments).sum(axis=0)
    events = ((when[:, None] == moments) & ~never[:, None]).sum(axis=0)
    survival = np.cumprod(1.0 - events / np.maximum(at_risk, 1))
    curve = pd.DataFrame(
        {
            "time": np.concatenate([[0.0], moments]),
            "at_risk": np.concatenate([[when.size], at_risk]),
            "events": np.concatenate([[0], events]),
            "survival": np.concatenate([[1.0], survival]),
        }
    )
    curve.attrs["missing"] = missing
    return curve
