"""Verdicts under every width of the region of practical equivalence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.comparisons import comparisons
from analysis.comparison.result import result_table
from analysis.conclusions.region_sweep import WIDTHS, region_sweeps
from analysis.conclusions.verdict_table import verdict_results, verdicts
from analysis.metrics import metrics_with
from tests.analysis.studies import simulated_runs


def study(seeds: int, effect: float) -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(seeds), seeds=seeds, datasets=("a", "b"), effect=effect, margins=[1.0])


@pytest.mark.parametrize("names", [("map_at_r",), ("recall_at_1", "linear_accuracy")])
@pytest.mark.parametrize(("seeds", "effect"), [(9, 0.02), (17, 0.004)])  # all sign patterns, and a sample of them
def test_sentence_9_a_swept_region_gives_the_verdicts_that_it_gives_when_it_is_set(
    seeds: int, effect: float, names: tuple[str, ...]
) -> None:
    runs = study(seeds, effect)
    compared = comparisons(runs)
    sweeps = region_sweeps(compared, verdict_results(compared), metrics_with(None))
    (sweep,) = (one for one in sweeps if tuple(metric.name for metric in one.metrics) == names)
    said = set()
    for width in (0.001, 0.01, 0.018, 0.05):
        swept = result_table(sweep.results[sweep.widths.index(width)])
        alone = verdicts(runs, rope=dict.fromkeys(names, width))
        expected = alone[alone["metric"].isin(names)].reset_index(drop=True)
        pd.testing.assert_frame_equal(swept, expected)
        said |= set(expected["verdict"])
    assert len(said) > 1  # else nothing would follow the region


def test_the_region_that_a_study_sets_is_one_of_those_swept() -> None:
    metrics = metrics_with({"map_at_r": 0.0123})
    compared = comparisons(study(8, 0.02), metrics)
    sweep, secondary = region_sweeps(compared, verdict_results(compared), metrics)
    assert sweep.widths[sweep.own] == 0.0123
    assert sweep.widths == tuple(sorted((*WIDTHS, 0.0123)))
    assert secondary.widths == WIDTHS


def test_a_family_whose_metrics_have_regions_of_their_own_is_not_swept() -> None:
    """The region of one moves the verdicts on the others, by the correction."""
    metrics = metrics_with({"recall_at_1": 0.02})
    compared = comparisons(study(8, 0.02), metrics)
    (sweep,) = region_sweeps(compared, verdict_results(compared), metrics)
    assert [metric.name for metric in sweep.metrics] == ["map_at_r"]


def test_a_study_without_a_comparison_has_nothing_to_sweep() -> None:
    for sweep in region_sweeps([], [], metrics_with(None)):
        assert set(sweep.results) == {()}
        assert not sweep.decides
