from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.store.records import PackRecord, read_records, records_folder, write_record
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs
from tests.benchmarks.recorded_searches import OUTCOME, differences, read_searches


def halve(storage: Path, name: str, epoch: int, keys: set[str]) -> None:
    """Says of some recorded runs that they were stopped after an epoch."""
    folder = records_folder(storage, name)
    for path in list(folder.glob("*.parquet")):
        (record,) = (each for each in read_records(folder) if isinstance(each, PackRecord))
        runs = [
            replace(run, tags={**run.tags, "stopped": f"epoch {epoch}" if run.key in keys else "false"})
            for run in record.runs
        ]
        path.unlink()
        write_record(folder, replace(record, runs=tuple(runs)))


def test_stopped_runs_count_by_what_they_trained_and_are_never_chosen(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=3, miners=("all",), margins=(0.2, 0.5, 1.0))
    runs["val/map_at_r"] = runs["margin"]
    runs[OUTCOME] = runs["margin"] / 2
    record_study(tmp_path, "searched", runs, epochs=50)
    whole = read_searches("searched", tmp_path)
    assert (whole.runs, whole.epochs) == (18, 900)
    assert whole.chosen.tolist() == [0.5] * 6
    halve(tmp_path, "searched", 5, set(runs.loc[runs["margin"] == 1.0, "key"]))
    halved = read_searches("searched", tmp_path)
    assert (halved.runs, halved.epochs) == (18, 12 * 50 + 6 * 5)
    assert halved.chosen.tolist() == [0.25] * 6


def test_differences_are_paired_by_seed_and_in_points() -> None:
    index = pd.MultiIndex.from_product([["digits"], ["triplet"], [0, 1, 2]], names=["dataset", "loss", "seed"])
    second = pd.Series([0.5, 0.6, 0.7], index)
    (found,) = differences(second + np.array([0.01, 0.02, 0.03]), second)
    assert (found.dataset, found.loss, found.seeds) == ("digits", "triplet", 3)
    assert [found.mean, found.second] == pytest.approx([2.0, 60.0])
    half = 4.302652729911275 / 3**0.5  # Student's t of two degrees of freedom; the standard deviation is 1
    assert [found.low, found.high] == pytest.approx([2 - half, 2 + half])
