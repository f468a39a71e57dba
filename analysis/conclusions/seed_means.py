"""Means over seeds with their t intervals: of each arm as verdicts take it, and of each setting that was tried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.comparison.comparisons import Comparison
from analysis.comparison.levels import NUMERIC, Levels, levels_of
from analysis.comparison.pairing import FLOOR
from analysis.comparison.settings import whole_runs
from analysis.metrics import Estimand, Metric
from analysis.parameters import ARM, CONDITION
from analysis.statistics.intervals import paired_t_interval, with_t_intervals


def arm_means(comparison: Comparison, estimand: Estimand) -> pd.DataFrame:
    """Each arm's mean over the seeds that the verdict is about: those that are complete for both arms.

    Returns:
        Columns ``loss``, ``metric`` (its name), ``n``, ``mean``, ``low`` and ``high`` (95% t interval of the arm's own
        mean; NaN for a single seed). Metrics compared by their logarithm have geometric means. No row where the
        comparison has no verdict on the estimand, or a metric no complete seed.
    """
    rows: list[tuple[str, str, int, float, float, float]] = []
    runs = comparison.runs_of(estimand)
    if len(runs) and comparison.readable and comparison.has_both(runs):
        table = comparison.seed_table(runs, estimand)
        for metric in comparison.metrics:
            sample = table.sample(metric)
            for arm, values in zip(comparison.arms, (sample.first, sample.second), strict=True):
                if len(values):
                    ends = paired_t_interval(values) if len(values) > 1 else (np.nan, np.nan)
                    shown = np.array([values.mean(), *ends])
                    mean, low, high = np.exp(shown) if metric.scale == "log" else shown
                    rows.append((arm, metric.name, len(values), float(mean), float(low), float(high)))
    return pd.DataFrame(rows, columns=[ARM, "metric", "n", "mean", "low", "high"])


def setting_means(rows: pd.DataFrame, metrics: Sequence[Metric]) -> pd.DataFrame:
    """Metrics of each arm at each of its settings.

    Args:
        rows: Runs of one dataset, stopped ones included.
        metrics: Which ones.

    Returns:
        As `seed_means` gives them by arm and condition, with a column ``metric`` (its name). Of a hyperparameter that
        seeds drew from a range a setting has the middle of one of its fifths, to two digits.
    """
    runs = at_levels(whole_runs(rows), {name: levels_by_arm(rows, name) for name in NUMERIC})
    means = [seed_means(runs, [ARM, *CONDITION], metric).assign(metric=metric.name) for metric in metrics]
    return pd.concat(means, ignore_index=True)


def levels_by_arm(rows: pd.DataFrame, parameter: str) -> dict[str, Levels]:
    """The levels of a hyperparameter of each arm that has runs."""
    return {str(arm): levels_of(own, parameter) for arm, own in rows.groupby(ARM)}


def at_levels(runs: pd.DataFrame, levels: dict[str, dict[str, Levels]]) -> pd.DataFrame:
    """The runs, where seeds drew a hyperparameter with the middle of its level, to two digits.

    Args:
        runs: Some of those that the levels were made of.
        levels: By hyperparameter and arm.
    """
    moved = runs.copy()
    for name, by_arm in levels.items():
        for arm, own in by_arm.items():
            if own.drawn:
                of_arm = moved[ARM] == arm
                positions = own.positions(moved.loc[of_arm, name])
                moved.loc[of_arm, name] = [float(f"{own.middle(position):.2g}") for position in positions]
    return moved


def seed_means(runs: pd.DataFrame, by: Sequence[str], metric: Metric) -> pd.DataFrame:
    """A metric in groups of runs, other conditions averaged within each seed. Diverged runs stay out.

    Args:
        runs: Runs of one dataset.
        by: What the runs of a group have in common, the arm among it.
        metric: Metrics compared by their logarithm have geometric means.

    Returns:
        The columns `by`, ``n`` (seeds), ``mean``, ``low`` and ``high`` (95% t interval over seeds; NaN for a single
        seed). No rows if no run has the metric.
    """
    ended = runs[~runs["diverged"].astype(bool)]
    values = ended[metric.column].to_numpy(float) if metric.column in ended else np.full(len(ended), np.nan)
    known = ended.assign(value=np.log(np.maximum(values, FLOOR)) if metric.scale == "log" else values)
    per_seed = known.dropna(subset=["value"]).groupby([*by, "seed"])["value"].mean().reset_index()
    rows = per_seed.groupby([*by])["value"].agg(["count", "mean", "sem"]).reset_index()
    rows = with_t_intervals(rows.rename(columns={"count": "n"})).drop(columns="sem")
    if metric.scale == "log":
        rows[["mean", "low", "high"]] = np.exp(rows[["mean", "low", "high"]])
    return rows
