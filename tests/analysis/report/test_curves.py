from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.comparison.comparisons import comparisons
from analysis.report.figures.curves import DYNAMICS, curve, epoch_curves
from analysis.report.figures.style import Drawing
from analysis.store.loading import read_study
from tests.analysis.recorded import EPOCHS, record_study
from tests.analysis.studies import simulated_runs


def test_curves_leave_out_diverged_runs_and_conditions_of_one_loss(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(2), seeds=9)
    runs.loc[(runs["loss"] == "triplet") & (runs["seed"] == 4), "diverged"] = True
    runs = runs[~((runs["loss"] == "triplet") & (runs["margin"] == 1.0))]
    record_study(tmp_path, "s", runs)
    study = read_study("s", tmp_path, points_of=DYNAMICS)
    curves = epoch_curves(comparisons(study.runs), study.points)
    seeds = curves[curves["metric"] == "train/loss"].groupby("loss")["n"].max()
    assert seeds.to_dict() == {"contrastive": 9, "triplet": 8}


def test_curves_of_runs_of_other_lengths_are_those_of_the_longest(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(2), seeds=3)
    short = runs.assign(epochs=EPOCHS // 2, key="short " + runs["key"])
    record_study(tmp_path, "s", runs.assign(epochs=EPOCHS))
    record_study(tmp_path, "s", short, epochs=EPOCHS // 2)
    study = read_study("s", tmp_path, points_of=DYNAMICS)
    curves = epoch_curves(comparisons(study.runs), study.points)
    assert set(curves["n"]) == {3}
    keys = study.points["key"].astype(str)
    long_only = study.points[~keys.str.startswith("short ")]
    pd.testing.assert_frame_equal(curves, epoch_curves(comparisons(study.runs), long_only))


def with_losses(values: list[float]) -> pd.DataFrame:
    """Curves of two epochs of a study whose seeds have these losses at the second one."""
    runs = simulated_runs(np.random.default_rng(2), seeds=len(values), miners=["all"], margins=[1.0])
    rows = [
        (run["key"], metric, epoch, value)
        for run in runs.to_dict("records")
        for metric in DYNAMICS
        for epoch, value in ((1, 0.9), (2, values[run["seed"]]))
    ]
    points = pd.DataFrame(rows, columns=["key", "metric", "epoch", "value"]).astype({"key": "category"})
    return epoch_curves(comparisons(runs), points.astype({"metric": "category"}))


def drawn(curves: pd.DataFrame, metric: str = "train/loss") -> Drawing:
    (comparison,) = comparisons(simulated_runs(np.random.default_rng(2), seeds=4))
    return curve(metric, curves[curves["metric"] == metric], comparison)


def test_on_a_logarithmic_axis_means_are_geometric_and_no_band_reaches_zero() -> None:
    values = [1e-4, 1e-3, 1e-2, 0.5]
    curves = with_losses(values)
    rows = curves[(curves["epoch"] == 2) & (curves["loss"] == "triplet")]
    last = {row["metric"]: (row["mean"], row["low"], row["high"]) for row in rows.to_dict("records")}
    low, high = stats.t.interval(0.95, 3, np.mean(np.log(values)), stats.sem(np.log(values)))
    assert last["train/loss"] == pytest.approx((stats.gmean(values), np.exp(low), np.exp(high)))
    assert curves["low"].ge(0).all()
    assert last["train/active_ratio"][0] == pytest.approx(np.mean(values))
    drawing = drawn(curves)
    assert drawing.figure.axes[0].get_yscale() == "log"
    assert drawing.note == ""
    assert drawn(curves, "train/active_ratio").figure.axes[0].get_yscale() == "linear"


def test_where_a_seed_is_at_zero_a_band_ends_at_the_edge_of_the_axis_and_that_is_said() -> None:
    curves = with_losses([0.0, 0.0, 0.01, 0.5])
    loss = curves[curves["metric"] == "train/loss"]
    assert loss["low"].min() == 0.0
    drawing = drawn(curves)
    (axes,) = drawing.figure.axes
    assert axes.get_yscale() == "log"
    assert 0 < axes.get_ylim()[0] < loss["mean"].min() < 10 * axes.get_ylim()[0]
    assert "goes on to zero" in drawing.note
