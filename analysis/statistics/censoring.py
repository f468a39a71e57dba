"""Times of events that some subjects never reach."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats


def kaplan_meier(times: npt.ArrayLike, censored: npt.ArrayLike) -> pd.DataFrame:
    """The share for which the event has not happened yet, by time (Kaplan and Meier 1958), from SciPy.

    Args:
        times: (n,) of the event, or of the last observation. NaN is left out.
        censored: (n,) whether the event had not happened by then.

    Returns:
        Columns ``time``, ``at_risk``, ``events`` and ``survival`` after that time, from time 0 on; greater is slower.
        Times censored at t still count as at risk at t.

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
    when, never = when[known], never[known]
    survival = stats.ecdf(stats.CensoredData(uncensored=when[~never], right=when[never])).sf
    moments = survival.quantiles
    at_risk = (when[:, None] >= moments).sum(axis=0)
    events = (when[~never][:, None] == moments).sum(axis=0)
    return pd.DataFrame(
        {
            "time": np.concatenate([[0.0], moments]),
            "at_risk": np.concatenate([[when.size], at_risk]),
            "events": np.concatenate([[0], events]),
            "survival": np.concatenate([[1.0], survival.probabilities]),
        }
    )
