"""How metrics went over the epochs, averaged over conditions within each seed, with a band over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.comparison.comparisons import Comparison
from analysis.parameters import ARM
from analysis.statistics.intervals import with_t_intervals

DYNAMICS = ("train/loss", "train/active_ratio", "train/grad_norm")
VARIANCES = ("test/intra_variance", "test/inter_variance")
_COLUMNS = ["dataset", ARM, "metric", "epoch", "n", "mean", "low", "high"]


def epoch_curves(compared: Sequence[Comparison], points: pd.DataFrame) -> pd.DataFrame:
    """Metrics by epoch.

    Args:
        compared: The comparisons of a study.
        points: Their runs' metrics by epoch, as `StoredStudy` holds them.

    Returns:
        Columns ``dataset`` (the comparison's label), ``loss``, ``metric``, ``epoch``, ``n`` (seeds), ``mean``, ``low``
        and ``high`` (95% t interval over seeds; NaN for a single seed). Conditions that one arm lacks stay out; so do
        diverged runs, and where numbers of epochs differ, all but the longest: a mean over fewer runs from some epoch
        on would show a step that no run takes. Where seeds drew their settings, the runs are those that they chose.
    """
    parts = [_curves(comparison, points) for comparison in compared if comparison.readable and len(points)]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True)[_COLUMNS] if parts else pd.DataFrame(columns=_COLUMNS)


def _curves(comparison: Comparison, points: pd.DataFrame) -> pd.DataFrame:
    shown = comparison.shown()
    ended = shown[~shown["diverged"].astype(bool) & (shown["epochs"] == shown["epochs"].max())]
    if ended.empty:
        return pd.DataFrame()
    of_seed = ended.groupby([ARM, "seed"]).ngroup()
    by_key = pd.Series(of_seed.to_numpy(), index=ended["key"])
    seed_of_key = by_key.reindex(points["key"].cat.categories).fillna(-1).to_numpy(dtype=int)
    group = seed_of_key[points["key"].cat.codes.to_numpy()]
    kept = points.loc[group >= 0, ["metric", "epoch", "value"]].assign(group=group[group >= 0])
    per_seed = kept.groupby(["group", "metric", "epoch"], observed=True)["value"].mean().reset_index()
    arm_of_group = ended.assign(group=of_seed).drop_duplicates("group").set_index("group")[ARM]
    per_seed[ARM] = per_seed["group"].map(arm_of_group)
    per_seed["metric"] = per_seed["metric"].astype(str)
    curve = per_seed.groupby([ARM, "metric", "epoch"])["value"].agg(["count", "mean", "sem"]).reset_index()
    return with_t_intervals(curve.rename(columns={"count": "n"})).assign(dataset=comparison.label)
