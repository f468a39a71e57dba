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
        them), ``p_triplet``, ``p_contrastive``, ``p_equivalent``, ``verdict`` and ``reason``.

    Examples:
        >>> from analysis import load_study, verdicts
        >>> table = overall_verdicts(verdicts(load_study("demo")))
        >>> table.loc[table.metric == "map_at_r", ["estimand", "verdict"]].to_records(index=False).tolist()
        [('tuned', 'triplet'), ('grid average', 'triplet')]
    """
    rows = []
    for (estimand, metric), part in table.groupby(["estimand", "metric"], sort=False):
        rows.append({"estimand": estimand, "metric": metric, "family": part["family"].iloc[0], **overall(part)})
    columns = ["estimand", "metric", "family", "datasets", "least", "p_triplet", "p_contrastive", "p_equivalent"]
    return pd.DataFrame(rows, columns=[*columns, "verdict", "reason"])


def overall(rows: pd.DataFrame) -> dict[str, Any]:
    """The overall verdict on one metric.

    A direction holds overall if the one-sided minimum-effect tests show it on more than half of the datasets, at half
    the level for each direction, and no dataset's own verdict goes the other way; both ways present gives ``mixed``.

    Args:
        rows: Of a verdict table, one a dataset; those that are insufficient count as datasets that show nothing.
    """
    judged = rows[rows["verdict"] != "insufficient"]
    datasets = len(rows)
    least = datasets // 2 + 1
    result: dict[str, Any] = {"datasets": len(judged), "least": least}
    if not len(judged):
        nothing = dict.fromkeys(("p_triplet", "p_contrastive", "p_equivalent"), math.nan)
        return {**result, **nothing, "verdict": "insufficient", "reason": "no dataset has enough seeds"}

    def shown(column: str) -> float:
        values: Floats = np.concatenate([judged[column].to_numpy(float), np.ones(datasets - len(judged))])
        return partial_conjunction(values, least)

    p = {"triplet": shown("p_above"), "contrastive": shown("p_below"), "equivalent": shown("p_equivalence")}
    result.update({f"p_{name}": value for name, value in p.items()})
    sides = {row["verdict"].split(",")[0] for row in rows_of(judged)} & {"triplet", "contrastive"}
    if len(sides) == 2:
        return {**result, "verdict": "mixed", "reason": "datasets show both directions"}
    for side in sides:
        if p[side] <= ALPHA / 2:
            return {**result, "verdict": side, "reason": f"shown on at least {least} of {datasets} datasets"}
    if p["equivalent"] <= ALPHA and not sides:
        return {**result, "verdict": "equivalent", "reason": f"shown on at least {least} of {datasets} datasets"}
    return {**result, "verdict": "undecided", "reason": f"not shown on {least} of {datasets} datasets"}
