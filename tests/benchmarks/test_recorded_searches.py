from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs
from tests.benchmarks.recorded_searches import OUTCOME, differences, read_searches


def test_stopped_runs_count_by_what_they_trained_and_are_never_chosen(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=3, miners=("all",), margins=(0.2, 0.5, 1.0))
    runs["val/map_at_r"] = runs["margin"]
    runs[OUTCOME] = runs["margin"] / 2
    record_study(tmp_path, "whole", runs)
    whole = read_searches("whole", tmp_path)
    assert (whole.runs, whole.epochs) == (18, 900)
    assert whole.chosen.tolist() == [0.5] * 6
    runs = runs.assign(search="sobol", stopped_at=runs["margin"].map({0.2: 0, 0.5: 0, 1.0: 3}))
    record_study(tmp_path, "halved", runs, epochs=3)
    halved = read_searches("halved", tmp_path)
    assert (halved.runs, halved.epochs) == (18, 12 * 50 + 6 * 3)
    assert halved.chosen.tolist() == [0.25] * 6


def test_differences_are_paired_by_seed_and_in_points() -> None:
    index = pd.MultiIndex.from_product([["digits"], ["triplet"], [0, 1, 2]], names=["dataset", "loss", "seed"])
    second = pd.Series([0.5, 0.6, 0.7], index)
    (found,) = differences(second + np.array([0.01, 0.02, 0.03]), second)
    assert (found.dataset, found.loss, found.seeds) == ("digits", "triplet", 3)
    assert [found.mean, found.second] == pytest.approx([2.0, 60.0])
    half = 4.302652729911275 / 3**0.5  # Student's t of two degrees of freedom; the standard deviation is 1
    assert [found.low, found.high] == pytest.approx([2 - half, 2 + half])
