"""One search, as a function of its own results."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.config.levels import Range
from study.planning.grid import BESIDE
from study.search.search import Ask, Method, progress
from tests.study.search.examples import score_of, space

SPACE = space(miner=("all", "hard"), margin=Range(0.1, 1000.0), lr=Range(1e-4, 1e-2))
RUNGS = (6, 17, 50)


def ask_all(method: Method, answered: set[Ask] | None = None) -> list[Ask]:
    """What a search asks for, when all of that, or some asks, are answered."""

    def scores(ask: Ask) -> float | None:
        return score_of(ask) if answered is None or ask in answered else None

    return progress(SPACE, method, "digits", 0, scores).asked


def to_the_end(method: Method, order: list[int]) -> list[Ask]:
    """The same, when answers come one by one, in an order of their own."""
    answered: set[Ask] = set()
    while missing := [ask for ask in ask_all(method, answered) if ask not in answered]:
        answered.add(missing[order[len(answered) % len(order)] % len(missing)])
    return ask_all(method, answered)


@pytest.mark.parametrize("sampling", ["random", "sobol", "tpe"])
def test_of_each_bracket_one_in_three_goes_on_at_each_rung(sampling: str) -> None:
    asks = ask_all(Method(sampling, 27, RUNGS, 3))
    assert Counter(ask.epoch for ask in asks) == {6: 27, 17: 9, 50: 3}
    by_epoch = {epoch: [ask.setting for ask in asks if ask.epoch == epoch] for epoch in RUNGS}
    for start in range(0, 27, 9):
        bracket = by_epoch[6][start : start + 9]
        best = sorted(bracket, key=lambda setting: score_of(Ask(setting, 6)), reverse=True)[:3]
        assert {*best} == {setting for setting in by_epoch[17] if setting in bracket}
        (last,) = (setting for setting in by_epoch[50] if setting in bracket)
        assert last == max(best, key=lambda setting: score_of(Ask(setting, 17)))


@pytest.mark.parametrize("sampling", ["random", "sobol"])
def test_without_halving_all_settings_are_asked_for_at_once(sampling: str) -> None:
    asks = ask_all(Method(sampling, 20, (50,), 3), answered=set())
    assert [ask.epoch for ask in asks] == [50] * 20


def test_tpe_asks_for_a_batch_and_waits_for_its_results() -> None:
    method = Method("tpe", 27, (50,), 3)
    first = ask_all(method, answered=set())
    assert len(first) == 8
    assert ask_all(method, answered={*first[:7]}) == first
    assert len(ask_all(method, answered={*first})) == 16


@pytest.mark.parametrize("sampling", ["random", "sobol", "tpe"])
@pytest.mark.parametrize("rungs", [RUNGS, (50,)])
def test_more_budget_asks_for_more_and_for_the_same_before_it(sampling: str, rungs: tuple[int, ...]) -> None:
    fewer, more = (ask_all(Method(sampling, budget, rungs, 3)) for budget in (18, 36))
    assert {*fewer} < {*more}
    if len(rungs) == 1:
        assert [ask for ask in more if ask in fewer] == fewer
        assert {*ask_all(Method(sampling, 23, rungs, 3))} < {*more}, "a batch that is cut short asks for its first ones"


@pytest.mark.parametrize("sampling", ["random", "sobol", "tpe"])
@pytest.mark.parametrize("rungs", [RUNGS, (50,)])
def test_in_rounds_it_asks_for_one_after_the_other_and_for_the_same_as_at_once(
    sampling: str, rungs: tuple[int, ...]
) -> None:
    method = Method(sampling, 36, rungs, 3, in_rounds=True)
    first = ask_all(method, answered=set())
    assert len(first) == method.round == (9 if rungs == RUNGS else 8)
    asks, at_once = ask_all(method), ask_all(Method(sampling, 36, rungs, 3))
    assert {*asks} == {*at_once}
    assert {ask: ask.round for ask in asks} == {ask: ask.round for ask in at_once}
    assert [ask.round.number for ask in asks] == sorted(ask.round.number for ask in asks)
    assert to_the_end(method, [5, 2, 0]) == asks


@pytest.mark.parametrize("sampling", ["random", "sobol", "tpe"])
@pytest.mark.parametrize(("rungs", "budget"), [(RUNGS, 36), ((50,), 20)])
def test_a_round_says_how_many_settings_there_are_after_it_and_how_many_of_them_are_whole(
    sampling: str, rungs: tuple[int, ...], budget: int
) -> None:
    asks = ask_all(Method(sampling, budget, rungs, 3))
    rounds = sorted({ask.round for ask in asks})
    expected = [9, 18, 27, 36] if rungs == RUNGS else [8, 16, 20]
    assert [each.settings for each in rounds] == expected
    assert [each.number for each in rounds] == [*range(len(expected))]
    for number, settings_after, whole in rounds:
        so_far = [ask for ask in asks if ask.round.number <= number]
        assert len({ask.setting for ask in so_far}) == settings_after
        assert sum(ask.epoch == 50 for ask in so_far) == whole


@settings(max_examples=15, deadline=None)
@given(
    order=st.lists(st.integers(0, 26), min_size=1, max_size=20), sampling=st.sampled_from(["random", "sobol", "tpe"])
)
def test_the_order_in_which_results_come_changes_nothing(order: list[int], sampling: str) -> None:
    method = Method(sampling, 18, RUNGS, 3)
    assert to_the_end(method, order) == ask_all(method)


def test_ties_go_to_the_first_in_order_and_what_diverged_goes_last() -> None:
    def scores(ask: Ask) -> float:
        return -math.inf if ask.setting in diverged else 0.5

    method = Method("random", 9, RUNGS, 3)
    drawn = [ask.setting for ask in ask_all(method, answered=set())]
    diverged = {*drawn[:2]}
    asks = progress(SPACE, method, "digits", 0, scores).asked
    assert [ask.setting for ask in asks if ask.epoch == 17] == drawn[2:5]
    assert [ask.setting for ask in asks if ask.epoch == 50] == [drawn[2]]


def test_a_search_whose_every_setting_diverges_spends_its_budget_all_the_same() -> None:
    for sampling in ("sobol", "tpe"):
        asks = progress(SPACE, Method(sampling, 18, RUNGS, 3), "digits", 0, lambda ask: -math.inf).asked
        assert Counter(ask.epoch for ask in asks) == {6: 18, 17: 6, 50: 2}


def test_the_setting_that_is_trained_anyway_is_drawn_by_no_search() -> None:
    for sampling in ("random", "sobol", "tpe"):
        method = Method(sampling, 20, (50,), 4)
        drawn = ask_all(method)
        again = ask_all(Method(sampling, 20, (50,), 4, first=drawn[3].setting))
        assert len({ask.setting for ask in again}) == len(again) == 21
        assert again[0] == drawn[3]
        assert again[0].round == BESIDE
        assert max(ask.round.settings for ask in again) == 20
