"""How metrics went over the epochs, averaged over conditions within each seed, with a band over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.pairing import LOSSES, balanced_grid, settings
from analysis.records import BrokenRecordError, Folder, read_records, records_folder

DYNAMICS = ("train/loss", "train/active_ratio", "train/grad_norm")
VARIANCES = ("test/intra_variance", "test/inter_variance")


def load_curves(
    runs: pd.DataFrame, name: str, storage: str | Folder, metrics: Sequence[str] = (*DYNAMICS, *VARIANCES)
) -> pd.DataFrame:
    """Metrics by epoch of a study's records.

    Args:
        runs: The study, as `load_study` gives it.
        name: Its name.
        storage: Folder that holds its records.
        metrics: Which ones.

    Returns:
        Columns ``dataset`` (the setting), ``loss``, ``metric``, ``epoch``, ``n`` (seeds), ``mean``, ``low`` and
        ``high`` (95% t interval over seeds; NaN for a single seed). Conditions that one loss lacks stay out; so do
        diverged runs.
    """
    known = pd.concat(
        [
            balanced_grid(part)[["key", "loss", "seed", "diverged"]].assign(dataset=dataset)
            for dataset, part in settings(runs).items()
            if set(LOSSES) <= set(part["loss"])
        ]
        or [pd.DataFrame(columns=["key", "loss", "seed", "diverged", "dataset"])]
    )
    known = known[~known["diverged"].astype(bool)].set_index("key")[["dataset", "loss", "seed"]]
    positions = pd.Series(np.arange(len(known)), index=known.index)
    sums: list[pd.DataFrame] = []
    by = ["dataset", "loss", "seed", "metric", "epoch"]
    for record in read_records(records_folder(storage, name)):
        if isinstance(record, BrokenRecordError):
            continue
        points = record.points[record.points["metric"].isin(metrics)]
        at = positions.reindex(points["key"].astype(str)).to_numpy()
        kept = points.loc[~np.isnan(at), ["metric", "epoch", "value"]].astype({"metric": str})
        if len(kept):
            whose = known.iloc[at[~np.isnan(at)].astype(int)]
            mine = pd.concat([whose.reset_index(drop=True), kept.reset_index(drop=True)], axis=1)
            sums.append(mine.groupby(by)["value"].agg(["sum", "count"]).reset_index())
    columns = ["dataset", "loss", "metric", "epoch", "n", "mean", "low", "high"]
    if not sums:
        return pd.DataFrame(columns=columns)
    total = pd.concat(sums).groupby(by)[["sum", "count"]].sum()
    per_seed = (total["sum"] / total["count"]).rename("value").reset_index()
    curve = per_seed.groupby(["dataset", "loss", "metric", "epoch"])["value"].agg(["count", "mean", "sem"])
    curve = curve.reset_index().rename(columns={"count": "n"})
    return with_band(curve)[columns]


def with_band(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``n``, ``mean`` and ``sem`` with ``low`` and ``high``: 95% t intervals, NaN where n is 1."""
    half = stats.t.ppf(0.975, np.maximum(rows["n"] - 1, 1)) * rows["sem"]
    return rows.assign(low=rows["mean"] - half, high=rows["mean"] + half)
