from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.comparisons import comparisons
from analysis.comparison.pairing import Condition
from analysis.comparison.result import OF_STUDIES, Result, Verdict, result_columns, result_table, results_of
from analysis.conclusions.verdict_table import verdict_results
from analysis.parameters import CONDITION
from tests.analysis.studies import simulated_runs


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict("named", side="triplet", strength="clear"), "triplet"),
        (Verdict("named", side="triplet", strength="small"), "triplet, small"),
        (Verdict("equivalent", "within the region"), "equivalent"),
        (Verdict("mixed"), "mixed"),
    ],
)
def test_a_verdict_is_worded_at_the_edge(verdict: Verdict, text: str) -> None:
    assert str(verdict) == text


def test_a_table_has_the_fields_of_a_result_and_gives_the_results_back() -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=13, datasets=("a", "b"), effect=0.012, pair_noise=0.004)
    runs = runs[(runs["dataset"] == "a") | (runs["seed"] < 5)]
    results = verdict_results(comparisons(runs))
    outcomes = {result.judged.outcome for result in results}
    assert {"named", "insufficient"} <= outcomes
    table = result_table(results)
    assert set(table.columns) == {field.name for field in fields(Result)} | {"side", "strength", "reason"}
    again = results_of(table)
    assert [result.verdict for result in again] == [result.verdict for result in results]
    pd.testing.assert_frame_equal(result_table(again), table)


def test_a_table_that_is_no_studys_has_no_columns_of_studies() -> None:
    assert set(OF_STUDIES) <= set(result_columns())
    assert not set(OF_STUDIES) & set(result_columns(OF_STUDIES))


def test_a_result_that_was_not_judged_has_no_verdict() -> None:
    with pytest.raises(ValueError, match="map_at_r was not judged"):
        Result(metric="map_at_r", first="a", second="b", scale="share", rope=0.01).judged  # noqa: B018


def test_a_table_with_further_columns_gives_its_results_and_one_that_lacks_some_is_refused() -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=13)
    table = result_table(verdict_results(comparisons(runs)))
    assert len(results_of(table.assign(slice="all", note=1))) == len(table)
    with pytest.raises(ValueError, match="no column 'side'"):
        results_of(table.drop(columns="side"))


def test_a_condition_has_the_parameters_of_that_role() -> None:
    assert Condition._fields == CONDITION
