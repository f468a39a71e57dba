"""Cohorts of searches, and the packs that are made of what they ask for."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import pytest

from study.data.sources import find_datasets
from study.planning.grid import Run
from study.planning.packing import PlannedPack, make_packs
from study.search.cohorts import Cohort, cohorts
from study.search.pool import PackPool
from tests.study.search.examples import HALVING, run_score, searched, to_the_end


def cohorts_of(**options: Any) -> list[Cohort]:
    config = searched(**options)
    return cohorts(config, find_datasets(config)[0])


def train_all(
    among: list[Cohort],
    size: int,
    order: random.Random,
    failing: str | None = None,
    in_rounds: bool = False,
    most: float = math.inf,
    scored: Mapping[str, float] = {},
) -> PackPool:
    """Ends packs in any order, as several workers would, all or so many; those that hold a run fail."""

    def pack(runs: Any) -> list[PlannedPack]:
        return make_packs(runs, size, 2, {})

    pool = PackPool(among, scored, pack, in_rounds=in_rounds)
    waiting = [*range(len(pool.packs))]
    while waiting and (most := most - 1) >= 0:
        position = waiting.pop(order.randrange(len(waiting)))
        planned = pool.packs[position]
        before = len(pool.packs)
        if failing in planned.keys:
            pool.failed(position)
        else:
            pool.ended(position, {run.key: run_score(run) for run in planned.runs})
        waiting += range(before, len(pool.packs))
    return pool


def keys(runs: list[Run]) -> list[str]:
    return sorted(run.key for run in runs)


def trained(pool: PackPool) -> list[str]:
    return sorted(key for planned in pool.packs for key in planned.keys)


@pytest.mark.parametrize("options", [HALVING, {"search": "tpe", "settings": 18}])
def test_whatever_packs_they_are_in_and_end_in_the_same_runs_are_trained_once(options: dict[str, Any]) -> None:
    among = cohorts_of(datasets=["digits", "synthetic"], **options)
    expected = sorted(key for cohort in among for key in keys(to_the_end(cohort.asked)))
    for size, seed in ((1, 0), (4, 1), (32, 2)):
        assert trained(train_all(among, size, random.Random(seed))) == expected


def test_what_was_recorded_before_a_kill_is_not_trained_again() -> None:
    (cohort, _) = cohorts_of(**HALVING)
    whole = to_the_end(cohort.asked)
    for kept in (whole[:5], whole[3:20], whole):
        assert keys(to_the_end(cohort.asked, scored=kept)) == keys(whole)


def test_a_cohort_tells_beforehand_how_much_it_will_train() -> None:
    for options in ({}, HALVING, {"search": "tpe", "settings": 18, **HALVING}):
        for cohort in cohorts_of(**options):
            runs = to_the_end(cohort.asked)
            assert sum(work.runs for work in cohort.in_all) == len(runs)
            assert sum(work.epochs for work in cohort.in_all) == sum(run.structure.last_epoch for run in runs)
            assert all(work.runs == 0 for work in cohort.left(runs))


def test_a_pack_without_results_costs_only_the_searches_whose_runs_it_held() -> None:
    among = cohorts_of(**HALVING)
    first = among[0].asked({})
    pool = train_all(among, 4, random.Random(0), failing=first[1].key)
    whole = {key for cohort in among for key in keys(to_the_end(cohort.asked))}
    lost = next(planned for planned in pool.packs if first[1].key in planned.keys)
    seeds_lost = {(run.structure.loss, run.member.seed) for run in lost.runs}
    missing = whole - {*trained(pool)}
    runs = [run for cohort in among for run in to_the_end(cohort.asked)]
    assert missing
    assert {(run.structure.loss, run.member.seed) for run in runs if run.key in missing} == seeds_lost


def test_losses_search_at_the_same_points_and_their_runs_bear_the_epoch_at_which_they_stop() -> None:
    one, other = (cohort.asked({}) for cohort in cohorts_of(**HALVING))
    assert len(one) == len(other) == 2 * (9 + 1)
    assert [run.structure.stop_at for run in one] == [None, *[6] * 9] * 2
    assert [run.member.lr for run in one] == [run.member.lr for run in other]
    drawn = [run.member.lr for run in one if run.structure.stop_at]
    assert len(set(drawn)) == 2 * 9, "each seed draws its own"


def test_the_default_setting_is_trained_to_the_end_whatever_else_is_drawn_where_every_loss_may_take_it() -> None:
    for cohort in cohorts_of(**HALVING):
        whole = [run.member for run in to_the_end(cohort.asked) if run.structure.stop_at is None]
        assert [(run.margin, run.lr) for run in whole].count((1.0, 1e-3)) == 2
    for cohort in cohorts_of(margins=["contrastive=0.1..10", "triplet=2..10"]):
        assert (1.0, 1e-3) not in {(run.member.margin, run.member.lr) for run in cohort.asked({})}


IN_ROUNDS = [
    {"settings": 27, **HALVING},
    {"search": "random", "settings": 20},
    {"search": "tpe", "settings": 27, **HALVING},
]


@pytest.mark.parametrize("options", IN_ROUNDS)
def test_by_the_clock_the_same_runs_are_trained_in_the_end(options: dict[str, Any]) -> None:
    expected = sorted(key for cohort in cohorts_of(**options) for key in keys(to_the_end(cohort.asked)))
    pool = train_all(cohorts_of(hours=1, **options), 4, random.Random(0), in_rounds=True)
    assert trained(pool) == expected
    assert pool.is_done


def seed_rounds(among: list[Cohort], pool: PackPool) -> dict[tuple[str, int], int]:
    """How many rounds each seed has completed for each loss; one that is cut short counts too."""
    rounds = {}
    for cohort in among:
        (_, loss), asked = cohort.key, cohort.asked(pool._scores)
        for seed in {run.member.seed for run in asked}:
            left = [run.round.number for run in asked if run.member.seed == seed and run.key not in pool._scores]
            last = max(run.round.number for run in asked if run.member.seed == seed)
            rounds[loss, seed] = min(left, default=last + 1)
    return rounds


@pytest.mark.parametrize("options", IN_ROUNDS)
def test_by_the_clock_no_seed_and_no_loss_is_ever_more_than_a_round_ahead(options: dict[str, Any]) -> None:
    """Ended after any number of packs, of a run or three each, and then gone on with in another session."""
    for most, size in ((1, 1), (20, 1), (7, 3), (25, 3), (40, 1)):
        among = cohorts_of(hours=1, **options)
        pool = train_all(among, size, random.Random(most), in_rounds=True, most=most)
        again = train_all(among, size, random.Random(0), in_rounds=True, most=most, scored=pool._scores)
        for each in (pool, again):
            by_seed = [min(at for (_, of), at in seed_rounds(among, each).items() if of == seed) for seed in (0, 1)]
            assert max(by_seed) - min(by_seed) <= 1
            assert max(seed_rounds(among, each).values()) - min(seed_rounds(among, each).values()) <= 2
        assert not pool.is_done


def last_rounds(pool: PackPool) -> dict[tuple[str, str], int]:
    """The last round that has begun, by dataset and loss."""
    runs = [run for planned in pool.packs for run in planned.runs]
    begun = sorted((run.structure.dataset, run.structure.loss, run.round.number) for run in runs)
    return {(dataset, loss): number for dataset, loss, number in begun}


def test_by_the_clock_a_loss_whose_packs_are_slow_holds_the_other_back_and_not_another_dataset() -> None:
    among = cohorts_of(hours=1, settings=40, datasets=["digits", "synthetic"])
    pool = PackPool(among, {}, lambda runs: make_packs(runs, 32, 2, {}), in_rounds=True)
    waiting: list[int] = []
    position = 0
    while position < len(pool.packs):
        planned = pool.packs[position]
        if (planned.pack.structure.dataset, planned.pack.structure.loss) == ("digits", "triplet"):
            waiting.append(position)
        else:
            pool.ended(position, {run.key: run_score(run) for run in planned.runs})
        position += 1
    others = {("synthetic", "contrastive"): 4, ("synthetic", "triplet"): 4}
    assert last_rounds(pool) == {("digits", "contrastive"): 1, ("digits", "triplet"): 0, **others}
    for position in waiting:
        pool.ended(position, {run.key: run_score(run) for run in pool.packs[position].runs})
    assert last_rounds(pool) == {("digits", "contrastive"): 2, ("digits", "triplet"): 1, **others}


def test_by_the_clock_seeds_that_are_added_catch_up_before_the_others_go_on() -> None:
    few = cohorts_of(hours=1, settings=40)
    pool = train_all(few, 32, random.Random(0), in_rounds=True, most=5)
    more = cohorts_of(hours=1, settings=40, seeds=3)
    grown = PackPool(more, pool._scores, lambda runs: make_packs(runs, 32, 2, {}), in_rounds=True)
    assert {run.member.seed for planned in grown.packs for run in planned.runs} == {2}
    assert {run.round.number for planned in grown.packs for run in planned.runs} == {0}


def test_by_the_clock_a_pack_that_fails_delays_nobody() -> None:
    among = cohorts_of(hours=1, settings=24)
    failing = among[0].asked({})[1]
    pool = train_all(among, 4, random.Random(0), failing=failing.key, in_rounds=True)
    rounds = seed_rounds(among, pool)
    lost = {run.member.seed for planned in pool.packs if failing.key in planned.keys for run in planned.runs}
    assert {who for who, at in rounds.items() if at == 0} == {(failing.structure.loss, seed) for seed in lost}
    assert {at for at in rounds.values() if at} == {3}
    assert pool.is_done


def test_every_seed_has_tried_what_the_last_one_has() -> None:
    among = cohorts_of(hours=1, settings=16)
    pool = train_all(among, 32, random.Random(0), in_rounds=True)
    assert pool.tried() == {cohort.key: 16 + 1 for cohort in among}
