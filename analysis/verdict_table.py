"""Verdicts for each dataset and metric, by two estimands that are never merged.

``tuned``: which loss performs better, each with the hyperparameters chosen for it on validation data (`tuning`).
``grid average``: what the loss does, averaged over a balanced grid of conditions within each seed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.comparison import compared, judged
from analysis.metrics import METRICS, Metric
from analysis.pairing import LOSSES, PairedSample, Seed, SeedTable, balanced_grid, repeats, settings, study_seeds
from analysis.tuning import TUNING_SEEDS, Condition, Tuned, UnequalBudgetsError, check_tuning_seeds, tune

TUNED, GRID_AVERAGE = "tuned", "grid average"
PERFORMANCE = ("primary", "secondary")
_PERFORMANCE = tuple(metric for metric in METRICS if metric.family in PERFORMANCE)


def verdicts(runs: pd.DataFrame, tuning_seeds: int = TUNING_SEEDS) -> pd.DataFrame:
    """Compares the losses on every dataset and metric.

    Args:
        runs: A study, as `load_study` gives it.
        tuning_seeds: How many seeds choose the hyperparameters of the tuned estimand; the others confirm.

    Returns:
        One row a dataset, estimand and metric: performance metrics tuned, and all metrics by grid average. ``triplet``
        and ``contrastive`` are means over seeds (geometric for metrics compared by logarithm), ``difference`` with
        ``ci_low`` and ``ci_high`` their mean difference and its 95% paired t interval (ratios for those metrics),
        ``p_value`` the sign-flip test against zero and ``p_corrected`` its Holm correction within the estimand's
        family, ``effect_size`` d_z, ``probability`` P(triplet > contrastive). Further columns hold the other tests,
        what tuning chose, what was dropped, why the verdict is what it is, and how many more seeds an undecided one
        would need. A dataset whose runs cannot be read has ``insufficient`` in its rows, and the reason.

    Raises:
        ValueError: If `tuning_seeds` is less than 1.

    Examples:
        >>> from analysis import load_study
        >>> table = verdicts(load_study("demo"))
        >>> table[table.metric == "map_at_r"][["dataset", "estimand", "n"]].to_records(index=False).tolist()
        [('digits', 'tuned', 10), ('digits', 'grid average', 13)]
    """
    check_tuning_seeds(tuning_seeds)
    rows: list[dict[str, Any]] = []
    for dataset, part in settings(runs).items():
        if set(LOSSES) <= set(part["loss"]):
            rows += tuned_rows(dataset, part, _PERFORMANCE, tuning_seeds)
            rows += grid_rows(dataset, part, METRICS)
    table = judged(pd.DataFrame(rows, columns=list(_COLUMNS)), ["estimand", "family"])
    return table[[*_LEADING, *(name for name in table.columns if name not in _LEADING)]]


_LEADING = [
    *("dataset", "metric", "estimand", "n", "triplet", "contrastive", "difference", "ci_low", "ci_high", "p_value"),
    *("p_corrected", "effect_size", "probability", "verdict", "reason", "family", "scale", "rope"),
]
_COLUMNS = (
    *(name for name in _LEADING if name not in ("p_corrected", "verdict", "reason")),
    *("p_greater", "p_less", "p_minimum_effect", "p_above", "p_below", "p_equivalence"),
    *("probability_low", "probability_high", "meaningful", "wins", "losses", "ties", "spread", "missing_share"),
    *("diverged_triplet", "diverged_contrastive", "censored_triplet", "censored_contrastive"),
    *("chosen_triplet", "chosen_contrastive", "budget", "refused"),
)


def rope_sensitivity(runs: pd.DataFrame, tuning_seeds: int = TUNING_SEEDS) -> pd.DataFrame:
    """Tuned verdicts on MAP@R, Recall@1 and accuracies, were the region of practical equivalence another.

    Args:
        runs: A study, as `load_study` gives it.
        tuning_seeds: As for `verdicts`.

    Returns:
        Columns ``dataset``, ``metric`` and one for each half-width of `SHARE_ROPES`, in percentage points: ``0.5 pt``.

    Raises:
        ValueError: If `tuning_seeds` is less than 1.
    """
    check_tuning_seeds(tuning_seeds)
    columns = []
    for rope in SHARE_ROPES:
        rows = [
            {**row, "rope": rope}
            for dataset, part in settings(runs).items()
            if set(LOSSES) <= set(part["loss"])
            for row in tuned_rows(dataset, part, _PERFORMANCE, tuning_seeds, rope=rope)
        ]
        if not rows:
            return pd.DataFrame(columns=["dataset", "metric"])
        table = judged(pd.DataFrame(rows), ["family"]).set_index(["dataset", "metric"])
        columns.append(table["verdict"].rename(f"{100 * rope:g} pt"))
    wide = pd.concat(columns, axis=1).reset_index()
    return wide[wide["metric"].isin(_SENSITIVE)].reset_index(drop=True)


SHARE_ROPES = (0.005, 0.01, 0.02)
_SENSITIVE = ("map_at_r", "recall_at_1", "knn_accuracy", "linear_accuracy")


def grid_rows(
    dataset: str, part: pd.DataFrame, metrics: Collection[Metric], seeds: Collection[Seed] = ()
) -> list[dict[str, Any]]:
    """Grid averages of one setting, not yet judged; none where the losses share no condition.

    Args:
        dataset: The setting's name.
        part: Its runs.
        metrics: Which ones to compare.
        seeds: Those that the setting has, where `part` is a part of it; those that it lacks are missing.
    """
    grid = balanced_grid(part)
    if grid.empty:
        return []
    if repeats(grid):
        return _refused(dataset, metrics, GRID_AVERAGE, grid, _REPEATS)
    table = SeedTable(grid, {*study_seeds(part), *seeds})
    return [
        {**_row(dataset, metric, GRID_AVERAGE, table.sample(metric)), "refused": _divergence(grid)}
        for metric in metrics
    ]


def tuned_rows(
    dataset: str,
    part: pd.DataFrame,
    metrics: Collection[Metric],
    tuning_seeds: int,
    seeds: Collection[Seed] | None = None,
    rope: float | None = None,
) -> list[dict[str, Any]]:
    """Tuned against tuned on one setting, not yet judged.

    Args:
        dataset: The setting's name.
        part: Its runs.
        metrics: Which ones to compare.
        tuning_seeds: How many seeds tune.
        seeds: Those that the setting has, where `part` is a part of it; those of `part` if not given.
        rope: Half-width of the region of practical equivalence instead of each metric's own.
    """
    refused = _REPEATS if repeats(part) else _divergence(part)
    if refused:
        return _refused(dataset, metrics, TUNED, part, refused)
    try:
        tuned = tune(part, tuning_seeds, seeds)
    except UnequalBudgetsError as error:
        return _refused(dataset, metrics, TUNED, part, str(error))
    if tuned.refused:
        return [{**row, **_choice(tuned)} for row in _refused(dataset, metrics, TUNED, part, tuned.refused)]
    table = SeedTable(tuned.confirmation, tuned.confirming)
    return [{**_row(dataset, metric, TUNED, table.sample(metric), rope), **_choice(tuned)} for metric in metrics]


def condition_text(condition: Condition) -> str:
    """A condition in words."""
    miner, margin, lr = condition
    return f"{miner}, margin {margin:g}, lr {lr:g}"


_REPEATS = "a condition stands more than once under one seed and loss"


def _divergence(rows: pd.DataFrame) -> str:
    """Which loss has no run that ended well, in words; empty if each has one."""
    ended = set(rows["loss"].to_numpy()[~rows["diverged"].to_numpy(dtype=bool)])
    lost = [loss for loss in LOSSES if loss not in ended]
    if not lost:
        return ""
    return f"every run of the {lost[0]} loss diverged" if len(lost) == 1 else "every run diverged"


def _refused(
    dataset: str, metrics: Collection[Metric], estimand: str, rows: pd.DataFrame, reason: str
) -> list[dict[str, Any]]:
    """Rows without a single pair, whose crash rates are those of all the runs that were to be compared."""
    diverged = rows["diverged"].astype(bool).groupby(rows["loss"]).mean()
    nothing = replace(PairedSample.empty(), diverged={loss: float(diverged.get(loss, 0.0)) for loss in LOSSES})
    return [{**_row(dataset, metric, estimand, nothing), "refused": reason} for metric in metrics]


def _choice(tuned: Tuned) -> dict[str, Any]:
    chosen = {f"chosen_{loss}": condition_text(condition) for loss, condition in tuned.conditions.items()}
    return {**chosen, "budget": tuned.budget}


def _row(
    dataset: str, metric: Metric, estimand: str, sample: PairedSample, rope: float | None = None
) -> dict[str, Any]:
    row = compared(sample.triplet, sample.contrastive, metric.scale, metric.rope if rope is None else rope)
    row.update(dataset=dataset, metric=metric.name, estimand=estimand, family=metric.family)
    row.update(missing_share=sample.missing_share)
    row.update({f"diverged_{loss}": sample.diverged[loss] for loss in LOSSES})
    row.update({f"censored_{loss}": sample.censored[loss] for loss in LOSSES})
    return row
