from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter

from analysis.statistics.censoring import kaplan_meier


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=60))
def test_sentence_20_kaplan_meier_is_that_of_lifelines(observations: list[tuple[int, bool]]) -> None:
    times, censored = (np.array(values) for values in zip(*observations, strict=True))
    ours = kaplan_meier(times, censored)
    theirs = KaplanMeierFitter().fit(times, ~censored).survival_function_["KM_estimate"]
    np.testing.assert_allclose(ours["survival"], theirs.loc[ours["time"]].to_numpy(), atol=1e-12)


def test_nothing_censored_is_the_share_left() -> None:
    curve = kaplan_meier([1, 2, 3, 4], [False] * 4)
    assert curve["survival"].round(9).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_a_time_that_is_not_known_is_left_out() -> None:
    curve = kaplan_meier([2, np.nan, 3, 3, 5], [False, True, False, True, True])
    assert curve["survival"].round(2).tolist() == [1.0, 0.75, 0.5, 0.5]
    assert curve["at_risk"].tolist() == [4, 4, 3, 1]


def test_times_need_their_marks() -> None:
    with pytest.raises(ValueError, match="2 times but 1 marks"):
        kaplan_meier([1, 2], [True])
