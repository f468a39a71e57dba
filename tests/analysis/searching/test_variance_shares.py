from __future__ import annotations

import inspect

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.searching import variance_shares as module
from analysis.searching.variance_shares import variance_shares

UNIT = {"a": (0.0, 1.0), "b": (0.0, 1.0)}
DRAWN = pd.DataFrame(np.random.default_rng(0).random((60, 2)), columns=["a", "b"])


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_of_a_sum_each_gets_the_share_of_its_own_variance(share: float) -> None:
    scores = np.sqrt(share) * DRAWN["a"] + np.sqrt(1 - share) * DRAWN["b"]
    found = variance_shares(DRAWN, UNIT, scores.to_numpy())
    assert found == pytest.approx({"a": share, "b": 1 - share}, abs=0.12)


def test_what_follows_two_together_is_no_ones_alone() -> None:
    together = np.where((DRAWN > 0.5).sum(axis=1) == 1, 1.0, 0.0)
    found = variance_shares(DRAWN, UNIT, together)
    assert found is not None
    assert sum(found.values()) < 0.25


def test_on_a_whole_grid_they_are_about_those_of_a_plain_analysis_of_variance() -> None:
    grid = pd.MultiIndex.from_product([range(6), range(4), ["all", "hard", "semi"]], names=["a", "b", "c"])
    frame = grid.to_frame(index=False)
    scores = (
        0.4 * (frame["a"] - 2.5) ** 2 + 0.8 * frame["b"] + 3 * (frame["c"] == "hard") + (frame["a"] * frame["b"] > 9)
    )
    plain = {name: scores.groupby(frame[name]).mean().var(ddof=0) / scores.var(ddof=0) for name in frame}
    placed = frame.astype({"a": float, "b": float})
    found = variance_shares(placed, {"a": (-0.5, 5.5), "b": (-0.5, 3.5)}, scores.to_numpy(float))
    assert found == pytest.approx(plain, abs=0.1)


def test_they_are_the_same_from_call_to_call_and_for_any_order_of_settings() -> None:
    scores = DRAWN["a"] + np.random.default_rng(1).normal(size=60)
    order = np.random.default_rng(2).permutation(60)
    found = variance_shares(DRAWN, UNIT, scores.to_numpy())
    assert found is not None
    assert found == variance_shares(DRAWN, UNIT, scores.to_numpy())
    assert found == variance_shares(DRAWN.iloc[order], UNIT, scores.to_numpy()[order])


def test_they_depend_neither_on_the_unit_nor_on_the_level_of_the_scores() -> None:
    scores = (DRAWN["a"] + 0.5 * DRAWN["b"]).to_numpy()
    small = variance_shares(DRAWN, UNIT, 1e-9 * scores + 0.25)
    assert small == pytest.approx(variance_shares(DRAWN, UNIT, scores), abs=0.02)  # rounding breaks ties another way


def test_equal_scores_have_none_and_neither_have_equal_settings() -> None:
    assert variance_shares(DRAWN, UNIT, np.full(60, 0.7)) is None
    assert variance_shares(DRAWN * 0.0, UNIT, DRAWN["a"].to_numpy()) is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9]), min_size=12, max_size=12))
def test_they_are_shares_whatever_the_scores(scores: list[float]) -> None:
    found = variance_shares(DRAWN[:12], UNIT, np.array(scores))
    if found is not None:
        assert min(found.values()) >= 0
        assert sum(found.values()) <= 1 + 1e-9


def test_optuna_says_nothing_and_stays_as_loud_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    try:
        optuna.logging.set_verbosity(optuna.logging.INFO)
        variance_shares(DRAWN, UNIT, DRAWN["a"].to_numpy())
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)
    assert capfd.readouterr() == ("", "")


def test_optuna_is_loaded_on_first_use_alone() -> None:
    lines = inspect.getsource(module).splitlines()
    assert any("from optuna import" in line for line in lines)
    assert not any("optuna" in line for line in lines if line.startswith(("from", "import")))
