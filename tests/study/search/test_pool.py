"""Cohorts of searches, and the packs that are made of what they ask for."""

from __future__ import annotations

import random
from typing import Any

import pytest

from study.data.sources import find_datasets
from study.planning.grid import Run
from study.planning.packing import PlannedPack, make_packs
from study.search.cohorts import Cohort, all_asked, cohorts
from study.search.pool import PackPool
from tests.study.search.examples import HALVING, run_score, searched, to_the_end


def cohorts_of(**options: Any) -> list[Cohort]:
    config = searched(**options)
    return cohorts(config, find_datasets(config)[0])


def train_all(among: list[Cohort], size: int, order: random.Random, failing: str | None = None) -> PackPool:
    """Ends packs in any order until there are no more, as several workers would; all that hold a run fail."""

    def pack(runs: Any) -> list[PlannedPack]:
        return make_packs(runs, size, 2, {})

    pool = PackPool(pack(all_asked(among, {})), among, {}, pack)
    waiting = [*range(len(pool.packs))]
    while waiting:
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
