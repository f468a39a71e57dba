from __future__ import annotations

import math

from study.data.sources import find_datasets
from study.planning.leaders import Leaders
from study.search.cohorts import all_asked, cohorts
from tests.study.search.examples import HALVING, searched


def test_each_seed_counts_with_its_best_run_that_was_trained_to_the_end() -> None:
    config = searched(**HALVING)
    runs = all_asked(cohorts(config, find_datasets(config)[0]), {})
    whole = [run for run in runs if run.structure.stop_at is None and run.structure.loss == "triplet"]
    stopped = next(run for run in runs if run.structure.stop_at is not None)
    leaders = Leaders()
    assert leaders.lines() == []
    leaders.add([stopped], {stopped.key: 0.99})
    assert leaders.lines() == []
    first, second = whole  # of both seeds, the default setting
    leaders.add(whole, {first.key: 0.5, second.key: -math.inf})
    assert leaders.lines() == ["digits (mlp): triplet 50.00% (1 seed)"]
    leaders.add(whole, {first.key: 0.4, second.key: 0.7})
    assert leaders.lines() == ["digits (mlp): triplet 60.00% (2 seeds)"]
