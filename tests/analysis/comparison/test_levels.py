from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.comparisons import comparisons
from analysis.comparison.levels import Levels, levels_of
from analysis.metrics import SELECTION
from tests.analysis.searched import searched_runs
from tests.analysis.studies import simulated_runs

DRAWN = searched_runs(np.random.default_rng(0))


def test_the_levels_of_a_grid_are_its_own() -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=1, margins=(0.2, 1.0, 16.0))
    levels = levels_of(runs[runs["loss"] == "triplet"], "margin")
    assert levels == Levels(((0.2, 0.2), (1.0, 1.0), (16.0, 16.0)))
    assert not levels.drawn
    assert levels.positions([16.0, 0.2, 1.0]).tolist() == [2, 0, 1]
    assert (levels.words(2), levels.middle(2)) == ("16", 16.0)


def test_a_range_that_seeds_drew_from_has_fifths_from_the_least_to_the_largest_value() -> None:
    own = DRAWN[DRAWN["loss"] == "triplet"]
    levels = levels_of(own, "margin")
    low, high = own["margin"].min(), own["margin"].max()
    assert levels.drawn
    assert (levels.ranges[0][0], levels.ranges[-1][1]) == (low, high)
    assert [end / start for start, end in levels.ranges] == pytest.approx([(high / low) ** 0.2] * 5)
    assert all(before[1] == after[0] for before, after in zip(levels.ranges, levels.ranges[1:], strict=False))
    shares = np.log(own["margin"] / low) / np.log(high / low)
    assert levels.positions(own["margin"]).tolist() == np.minimum((5 * shares).astype(int), 4).tolist()
    assert levels.middle(0) == pytest.approx(low * (high / low) ** 0.1)


def test_a_list_that_seeds_drew_from_has_the_levels_of_the_list() -> None:
    listed = DRAWN.assign(margin=np.resize([0.5, 2.0, 8.0, 32.0], len(DRAWN)))
    levels = levels_of(listed[listed["loss"] == "triplet"], "margin")
    assert [low for low, _ in levels.ranges] == [0.5, 2.0, 8.0, 32.0]


def test_a_zero_beside_a_range_belongs_to_its_lowest_fifth() -> None:
    own = DRAWN[DRAWN["loss"] == "triplet"]
    with_zero = levels_of(own.assign(margin=own["margin"].where(own["margin"] > own["margin"].min(), 0.0)), "margin")
    others = sorted(own["margin"])[1:]
    assert (with_zero.ranges[0][0], with_zero.ranges[-1][1]) == (others[0], others[-1])
    assert with_zero.positions([0.0, others[0], others[-1]]).tolist() == [0, 0, 4]


def test_a_grid_that_holds_a_zero_has_no_edge_there() -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=13)
    both = pd.concat([runs, runs.assign(weight_decay=1e-4, **{SELECTION: runs[SELECTION] - 0.5})])
    (study,) = comparisons(both)
    assert not [edge for edge in study.edges if edge.parameter == "weight_decay"]
    better = both.assign(**{SELECTION: both[SELECTION] + 6000 * both["weight_decay"]})
    rising = [edge for edge in comparisons(better)[0].edges if edge.parameter == "weight_decay"]
    assert [(edge.level, edge.rises) for edge in rising] == [(1e-4, True)] * 2
    assert rising[0].wider == pytest.approx((1e-3, 1e-2))
