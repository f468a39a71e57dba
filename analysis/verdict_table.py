"""Verdicts for each dataset and metric, by the first rule that holds.

1. ``insufficient``: fewer than 8 complete seeds, or over 10% of the pairs missing.
2. ``triplet`` / ``contrastive``: the corrected minimum-effect test rejects (performance: better; mechanism: higher).
3. ``equivalent``: the corrected equivalence test rejects, even where the difference is not zero.
4. ``triplet, small`` / ``contrastive, small``: the corrected test against zero rejects.
5. ``undecided``; so is a decay time that over half the runs of both losses never reached.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.corrections import holm
from analysis.inference import (
    equivalence_p,
    minimum_effect_p,
    paired_t_interval,
    probability_of_superiority,
    sign_flip_test,
    standardized_mean,
)
from analysis.metrics import METRICS, Metric
from analysis.pairing import LOSSES, PairedSample, balanced_grid, pair_by_seed, settings
from analysis.power import ALPHA, LEAST_SEEDS

GRID_AVERAGE = "grid average"
MOST_MISSING = 0.1
TESTS = ("p_value", "p_minimum_effect", "p_equivalence")


def verdicts(runs: pd.DataFrame) -> pd.DataFrame:
    """Compares the losses on every dataset and metric, averaged over the grid of conditions within each seed.

    Args:
        runs: A study, as `load_study` gives it.

    Returns:
        One row a dataset and metric. ``triplet`` and ``contrastive`` are means over seeds (geometric for metrics
        compared by logarithm), ``difference`` with ``ci_low`` and ``ci_high`` their mean difference and its 95% paired
        t interval (ratios for those metrics), ``p_value`` the sign-flip test against zero and ``p_corrected`` its Holm
        correction within the family, ``effect_size`` d_z, ``probability`` P(triplet > contrastive). Further columns
        hold the other tests, what was dropped and why the verdict is what it is.
    """
    rows = [
        _compare(dataset, metric, pair_by_seed(grid, metric))
        for dataset, part in settings(runs).items()
        for grid in [balanced_grid(part)]
        for metric in METRICS
        if not grid.empty
    ]
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    for test in TESTS:
        corrected = _corrected_name(test)
        table[corrected] = table[corrected].astype(float)
        for _, family in table.groupby("family"):
            table.loc[family.index, corrected] = holm(family[test].to_numpy(float))
    judged = [_judge(row) for row in rows_of(table)]
    table["verdict"] = [verdict for verdict, _ in judged]
    table["reason"] = [reason for _, reason in judged]
    return table


_COLUMNS = (
    "dataset",
    "metric",
    "estimand",
    "n",
    "triplet",
    "contrastive",
    "difference",
    "ci_low",
    "ci_high",
    "p_value",
    "p_corrected",
    "effect_size",
    "probability",
    "verdict",
    "reason",
    "family",
    "scale",
    "rope",
    "p_minimum_effect",
    "p_minimum_effect_corrected",
    "p_equivalence",
    "p_equivalence_corrected",
    "probability_low",
    "probability_high",
    "meaningful",
    "wins",
    "losses",
    "ties",
    "missing_share",
    "diverged_triplet",
    "diverged_contrastive",
    "censored_triplet",
    "censored_contrastive",
)


def _corrected_name(test: str) -> str:
    return "p_corrected" if test == "p_value" else f"{test}_corrected"


def _compare(dataset: str, metric: Metric, sample: PairedSample) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_COLUMNS, math.nan)
    row.update(dataset=dataset, metric=metric.name, estimand=GRID_AVERAGE, n=len(sample.triplet))
    row.update(family=metric.family, scale=metric.scale, rope=metric.rope, missing_share=sample.missing_share)
    row.update({f"diverged_{loss}": sample.diverged[loss] for loss in LOSSES})
    row.update({f"censored_{loss}": sample.censored[loss] for loss in LOSSES})
    row["meaningful"] = False
    differences = sample.differences
    if not differences.size:
        return row

    native = math.exp if metric.scale == "log" else float
    low, high = paired_t_interval(differences)
    probability, probability_low, probability_high = probability_of_superiority(differences)
    wins, losses = int(np.sum(differences > 0)), int(np.sum(differences < 0))
    row.update(
        triplet=native(float(sample.triplet.mean())),
        contrastive=native(float(sample.contrastive.mean())),
        difference=native(float(differences.mean())),
        ci_low=native(low) if np.isfinite(low) else math.nan,
        ci_high=native(high) if np.isfinite(high) else math.nan,
        p_value=sign_flip_test(differences).two_sided,
        p_minimum_effect=minimum_effect_p(differences, metric.rope),
        p_equivalence=equivalence_p(differences, metric.rope),
        effect_size=standardized_mean(differences),
        probability=probability,
        probability_low=probability_low,
        probability_high=probability_high,
        meaningful=_meaningful(probability_low, probability_high),
        wins=wins,
        losses=losses,
        ties=differences.size - wins - losses,
    )
    return row


def _meaningful(low: float, high: float) -> bool:
    """Bouthillier et al. (2021): likely better, and possibly by enough; the same for the other direction."""
    return (low > 0.5 and high > 0.75) or (high < 0.5 and low < 0.25)


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _judge(row: dict[str, Any]) -> tuple[str, str]:
    if row["n"] < LEAST_SEEDS:
        return "insufficient", f"{row['n']} complete seeds; at least {LEAST_SEEDS} are needed"
    if row["missing_share"] > MOST_MISSING:
        return "insufficient", f"{row['missing_share']:.0%} of the pairs are missing"
    if row["censored_triplet"] > 0.5 and row["censored_contrastive"] > 0.5:
        return "undecided", "over half the runs of both losses never got there"
    unchanged = 1.0 if row["scale"] == "log" else 0.0
    side = "triplet" if row["difference"] > unchanged else "contrastive"
    if row["p_minimum_effect_corrected"] <= ALPHA:
        return side, "larger than the region of practical equivalence"
    if row["p_equivalence_corrected"] <= ALPHA:
        beside = "; not zero" if row["p_corrected"] <= ALPHA else ""
        return "equivalent", f"within the region of practical equivalence{beside}"
    if row["p_corrected"] <= ALPHA:
        return f"{side}, small", "not zero, but not shown to exceed the region of practical equivalence"
    return "undecided", "no test rejects"
