from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.comparison.comparisons import comparisons
from analysis.report.figures.curves import DYNAMICS, epoch_curves
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
