"""One verdict over several datasets, by partial conjunction (Benjamini and Heller 2008)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison import rows_of
from analysis.corrections import Floats, partial_conjunction
from analysis.power import ALPHA


def overall_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Over all datasets of a verdict table, for each estimand and metric.

    Args:
        table: As `verdicts` gives it.

    Returns:
        Columns ``estimand``, ``metric``, ``family``, ``datasets`` (those with a verdict), ``least`` (more than half of
        all), ``verdict`` and ``reason``, and p-values of the partial conjunctions: ``p_triplet`` and ``p_contrastive``
        of the minimum-effect tests, ``p_equivalent``, ``p_triplet_small`` and ``p_contrastive_small`` of the tests
        against zero.

    Examples:
        >>> from analysis import load_study, verdicts
        >>> table = overall_verdicts(verdicts(load_study("demo")))
        >>> table.loc[table.metric == "map_at_r", ["estimand", "verdict"]].to_records(index=False).tolist()
        [('tuned', 'triplet'), ('grid average', 'triplet')]
    """
    rows = []
    for (estimand, metric), part in table.groupby(["estimand", "metric"], sort=False):
        rows.append({"estimand": estimand, "metric": metric, "family": part["family"].iloc[0], **overall(part)})
    columns = ["estimand", "metric", "family", "datasets", "least", *(f"p_{name}" for name in _TESTED)]
    return pd.DataFrame(rows, columns=[*columns, "verdict", "reason"])


_TESTED = {
    "triplet": "p_above",
    "contrastive": "p_below",
    "equivalent": "p_equivalence",
    "triplet_small": "p_greater",
    "contrastive_small": "p_less",
}


def overall(rows: pd.DataFrame) -> dict[str, Any]:
    """The overall verdict on one metric: the first rule that holds, in the order of a dataset's own.

    1. ``insufficient``: no dataset has a verdict.
    2. ``mixed``: the datasets' own verdicts name both losses, by whatever margin.
    3. a loss: one dataset at least names it, none the other, and the one-sided minimum-effect tests show it on more
       than half of the datasets, at half the level for each direction.
    4. ``equivalent``: no dataset names a loss, and the equivalence tests show it on more than half.
    5. a loss, ``small``: as 3, by the one-sided tests against zero, unless equivalence is shown on more than half.
    6. ``undecided``.

    Args:
        rows: Of a verdict table, one a dataset; those that are insufficient count as datasets that show nothing.
    """
    judged = rows[rows["verdict"] != "insufficient"]
    datasets = len(rows)
    least = datasets // 2 + 1
    result: dict[str, Any] = {"datasets": len(judged), "least": least}
    if not len(judged):
        nothing = dict.fromkeys((f"p_{name}" for name in _TESTED), math.nan)
        return {**result, **nothing, "verdict": "insufficient", "reason": "no dataset has enough seeds"}

    def shown(column: str) -> float:
        values: Floats = np.concatenate([judged[column].to_numpy(float), np.ones(datasets - len(judged))])
        return partial_conjunction(values, least)

    p = {name: shown(column) for name, column in _TESTED.items()}
    result.update({f"p_{name}": value for name, value in p.items()})
    enough = f"shown on at least {least} of {datasets} datasets"
    sides = {row["verdict"].split(",")[0] for row in rows_of(judged)} & {"triplet", "contrastive"}
    if len(sides) == 2:
        return {**result, "verdict": "mixed", "reason": "datasets show both directions"}
    for side in sides:
        if p[side] <= ALPHA / 2:
            return {**result, "verdict": side, "reason": enough}
    equivalent = p["equivalent"] <= ALPHA
    if equivalent and not sides:
        return {**result, "verdict": "equivalent", "reason": enough}
    for side in sides:
        if p[f"{side}_small"] <= ALPHA / 2 and not equivalent:
            return {**result, "verdict": f"{side}, small", "reason": f"not zero, {enough}"}
    return {**result, "verdict": "undecided", "reason": f"not shown on {least} of {datasets} datasets"}
