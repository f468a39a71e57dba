"""How metrics went over the epochs, averaged over conditions within each seed, with a band over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.comparison.comparisons import Comparison
from analysis.metrics import SCORE
from analysis.parameters import ARM
from analysis.report.arms import pair_styles
from analysis.report.figures.style import Drawing, NothingToDrawError, PlainLog, band, bars, panel
from analysis.report.formatting import seeds_text
from analysis.statistics.intervals import with_t_intervals

DYNAMICS = ("train/loss", "train/active_ratio", "train/grad_norm")
VARIANCES = ("test/intra_variance", "test/inter_variance")
_FEW = 6  # epochs: between so few points a band would show what nobody measured
_CURVES = {
    "train/loss": ("Training loss", "mean over candidates"),
    "train/active_ratio": ("Active ratio", "active candidates (share)"),
    "train/grad_norm": ("Gradient norm", "L2 norm"),
    "test/intra_variance": ("Intra-class variance, test data", "squared distance"),
    "test/inter_variance": ("Inter-class variance, test data", "squared distance"),
}
_LINEAR = ("train/active_ratio", SCORE.column)  # shares
_COLUMNS = ["dataset", ARM, "metric", "epoch", "n", "mean", "low", "high"]


def is_logarithmic(metric: str) -> bool:
    """Whether the axis of a metric's curve is logarithmic, where its values allow it."""
    return metric not in _LINEAR


def curve(metric: str, rows: pd.DataFrame, comparison: Comparison) -> Drawing:
    """A metric by epoch, for both arms.

    Args:
        metric: Of `DYNAMICS` or `VARIANCES`.
        rows: Of `epoch_curves`, those of the metric and comparison.
        comparison: The comparison.

    Raises:
        NothingToDrawError: If there are no rows.
    """
    if rows.empty:
        raise NothingToDrawError(f"no run has {metric} by epoch")
    title, unit = _CURVES[metric]
    epochs = sorted(set(rows["epoch"]))
    few = len(epochs) <= min(_FEW, epochs[-1] - epochs[0])  # all of a short training are not few
    draw = bars if few else band
    edge = ""
    with panel() as (figure, axes):
        draw(axes, rows, "epoch", pair_styles(comparison))
        if rows["mean"].gt(0).all() and is_logarithmic(metric):
            axes.set_yscale("log")
            edge = _end_at_edge(axes, rows)
            axes.yaxis.set_major_formatter(PlainLog())
            axes.yaxis.set_minor_formatter(PlainLog(minor_thresholds=(1.2, 0.4)))
        axes.set(xlabel="epoch", ylabel=unit, title=title)
    n = seeds_text(rows["n"].tolist())
    measured = ", ".join(map(str, epochs))
    note = " ".join([*([f"Measured at epochs {measured} only (evaluate_every)."] if few else []), edge]).strip()
    shown = f"mean and 95% band over {n}" if rows["n"].gt(1).any() else f"{n}, no band"
    return Drawing(figure, rows.drop(columns="dataset"), f"{title} by epoch, {shown}, for both losses", n, note)


def _end_at_edge(axes: Axes, rows: pd.DataFrame) -> str:
    """Ends a logarithmic axis where an interval that goes on to zero leaves it, and says so; nothing if none does."""
    if not rows["low"].le(0).any():
        return ""
    axes.set_ylim(bottom=0.5 * min(rows["mean"].min(), rows.loc[rows["low"] > 0, "low"].min()))
    return "Where a band meets the lower edge it goes on to zero: some seeds are there."


def epoch_curves(compared: Sequence[Comparison], points: pd.DataFrame) -> pd.DataFrame:
    """Metrics by epoch.

    Args:
        compared: The comparisons of a study.
        points: Their runs' metrics by epoch, as `StoredStudy` holds them.

    Returns:
        Columns ``dataset`` (the comparison's label), ``loss``, ``metric``, ``epoch``, ``n`` (seeds), ``mean``, ``low``
        and ``high`` (95% t interval over seeds; NaN for a single seed). Neither these metrics nor their intervals are
        negative: those with logarithmic axes have geometric means, with the interval of the logarithms, where no seed
        is at zero; all other intervals end at zero. Conditions that one arm lacks stay out; so do diverged runs, and
        where numbers of epochs differ, all but the longest: a mean over fewer runs from some epoch on would show a step
        that no run takes. Where seeds drew their settings, the runs are those that they chose.
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
    parts = [_intervals(own, str(metric)) for metric, own in per_seed.groupby("metric")]
    return pd.concat(parts, ignore_index=True).assign(dataset=comparison.label) if parts else pd.DataFrame()


def _intervals(per_seed: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The means of a metric over seeds by arm and epoch, with their intervals."""
    logarithmic = is_logarithmic(metric) and bool((per_seed["value"] > 0).all())
    values = per_seed.assign(value=np.log(per_seed["value"])) if logarithmic else per_seed
    means = values.groupby([ARM, "metric", "epoch"])["value"].agg(["count", "mean", "sem"]).reset_index()
    rows = with_t_intervals(means.rename(columns={"count": "n"}))
    shown = ["mean", "low", "high"]
    rows[shown] = np.exp(rows[shown]) if logarithmic else rows[shown].clip(lower=0.0)
    return rows
