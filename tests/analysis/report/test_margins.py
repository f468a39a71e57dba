"""Every mechanism metric and MAP@R as a curve over each loss's own margins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.comparison.comparisons import Comparison, comparisons
from analysis.metrics import METRICS, Metric
from analysis.report.build import build_report
from analysis.report.figures.margins import OVER_MARGINS, margin_curves, margins
from analysis.report.figures.style import Drawing, NothingToDrawError, PlainLog
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs

BY_NAME = {metric.name: metric for metric in METRICS}


def compared(runs: pd.DataFrame) -> Comparison:
    (comparison,) = comparisons(runs)
    return comparison


def study(seeds: int = 5) -> pd.DataFrame:
    """Each loss has three margins of its own, and metrics of its own at each."""
    rng = np.random.default_rng(8)
    runs = simulated_runs(rng, seeds=seeds, margins=(0.5, 2.0, 8.0), run_noise=0.03)
    runs.loc[runs["loss"] == "triplet", "margin"] *= 100
    return runs


def drawn(runs: pd.DataFrame, metric: Metric) -> Drawing:
    drawing = margins(metric, compared(runs))
    assert drawing is not None
    return drawing


def test_sentence_5_map_at_r_and_every_mechanism_metric_have_a_curve(tmp_path: Path) -> None:
    mechanism = [metric for metric in METRICS if metric.family == "mechanism"]
    assert {metric.name for metric in OVER_MARGINS} == {"map_at_r", *(metric.name for metric in mechanism)}
    record_study(tmp_path, "s", study())
    build_report("s", tmp_path)
    files = {path.stem for path in (tmp_path / "s" / "report" / "figures").glob("margins-*.csv")}
    assert files == {f"margins-{metric.name.replace('_', '-')}-digits" for metric in OVER_MARGINS}


@pytest.mark.parametrize("name", ["map_at_r", "loss_decay_epochs"])
def test_sentence_5_conditions_are_averaged_within_a_seed_and_the_band_is_over_seeds(name: str) -> None:
    runs, metric = study(), BY_NAME[name]
    rows = margin_curves(compared(runs), metric)
    assert len(rows) == 6
    own = runs[(runs["loss"] == "triplet") & (runs["margin"] == 200.0)]
    per_seed = own.groupby("seed")[metric.column].mean()
    half = stats.t.ppf(0.975, 4) * stats.sem(per_seed)
    (row,) = rows[(rows["loss"] == "triplet") & (rows["margin"] == 200.0)].to_dict("records")
    assert row["n"] == 5
    expected = (per_seed.mean(), per_seed.mean() - half, per_seed.mean() + half)
    assert (row["mean"], row["low"], row["high"]) == pytest.approx(expected)


def test_metrics_compared_by_their_logarithm_have_geometric_means_on_a_logarithmic_axis() -> None:
    runs, metric = study(), BY_NAME["grad_norm"]
    runs.loc[runs["loss"].eq("triplet").idxmax(), metric.column] = 0.0  # a collapsed run
    rows = margin_curves(compared(runs), metric)
    own = runs[(runs["loss"] == "triplet") & (runs["margin"] == 50.0)]
    logs = np.log(own[metric.column].clip(lower=1e-12)).groupby(own["seed"]).mean()
    half = stats.t.ppf(0.975, 4) * stats.sem(logs)
    (row,) = rows[(rows["loss"] == "triplet") & (rows["margin"] == 50.0)].to_dict("records")
    expected = np.exp([logs.mean(), logs.mean() - half, logs.mean() + half])
    assert (row["mean"], row["low"], row["high"]) == pytest.approx(tuple(expected))
    assert np.isfinite(rows[["mean", "low", "high"]].to_numpy()).all()
    assert rows["low"].gt(0).all()
    assert {axes.get_yscale() for axes in drawn(runs, metric).figure.axes} == {"log"}
    assert {axes.get_yscale() for axes in drawn(runs, BY_NAME["map_at_r"]).figure.axes} == {"linear"}


def test_sentence_3_the_losses_margins_stand_on_axes_of_their_own() -> None:
    figure = drawn(study(), BY_NAME["map_at_r"]).figure
    assert [axes.get_xlabel() for axes in figure.axes] == ["margin on d\u00b2", "margin on d"]
    assert [axes.get_xlim()[1] > 100 for axes in figure.axes] == [True, False]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert all(len(axes.get_lines()) == 1 for axes in figure.axes)


def test_many_margins_leave_room_for_their_names() -> None:
    runs = simulated_runs(np.random.default_rng(9), seeds=3, margins=tuple(4.0**step for step in range(-1, 8)))
    for axes in drawn(runs, BY_NAME["map_at_r"]).figure.axes:
        assert len(axes.get_lines()[0].get_xdata()) == 9  # type: ignore[arg-type]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0.25", "16", "1024"]


def test_powers_of_ten_are_written_short_and_other_ticks_plainly() -> None:
    values = (1e-4, 1e-3, 0.4, 20.0, 1e3, 1e4, 1e12)
    written = [PlainLog()._num_to_string(value, 0, 1) for value in values]
    assert written == ["10⁻⁴", "0.001", "0.4", "20", "1000", "10⁴", "10¹²"]


def test_one_margin_makes_no_curve_and_a_metric_that_no_run_has_says_so() -> None:
    runs = study()
    alone = runs[runs["margin"].isin([50.0])]
    other = runs[runs["margin"].isin([0.5])].assign(margin=50.0)
    assert margins(BY_NAME["map_at_r"], compared(pd.concat([alone, other]))) is None
    with pytest.raises(NothingToDrawError, match="no run has train/active_ratio_mean"):
        margins(BY_NAME["active_ratio"], compared(runs.drop(columns="train/active_ratio_mean")))


def test_diverged_runs_stay_out() -> None:
    runs = study()
    lost = (runs["loss"] == "triplet") & (runs["margin"] == 800.0)
    runs.loc[lost, "diverged"] = True
    rows = margin_curves(compared(runs), BY_NAME["map_at_r"])
    assert rows.groupby("loss")["margin"].max().to_dict() == {"contrastive": 8.0, "triplet": 200.0}
