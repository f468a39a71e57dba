from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.comparison.comparisons import comparisons
from analysis.comparison.pairing import unmatched_conditions
from tests.analysis.studies import simulated_runs

SHORT = simulated_runs(np.random.default_rng(1), seeds=3).assign(epochs=5)
LONG = simulated_runs(np.random.default_rng(2), seeds=3)


def with_epochs(contrastive: tuple[pd.DataFrame, ...], triplet: tuple[pd.DataFrame, ...]) -> pd.DataFrame:
    """Each loss with runs of its own."""
    of_loss = {"contrastive": contrastive, "triplet": triplet}
    return pd.concat([runs[runs["loss"] == loss] for loss, parts in of_loss.items() for runs in parts])


def test_the_default_setting_is_trained_as_long_as_both_losses_were() -> None:
    (both,) = comparisons(with_epochs((SHORT, LONG), (SHORT, LONG)))
    assert both.at_default()["epochs"].unique().tolist() == [50]
    (short,) = comparisons(with_epochs((SHORT, LONG), (SHORT,)))
    assert short.at_default()["epochs"].unique().tolist() == [5]
    assert short.has_both(short.at_default())


def test_runs_of_one_loss_are_never_averaged_against_longer_ones_of_the_other() -> None:
    (apart,) = comparisons(with_epochs((SHORT,), (LONG,)))
    assert apart.grid().empty
    (partly,) = comparisons(with_epochs((SHORT, LONG), (LONG,)))
    assert set(partly.grid()["epochs"]) == {50}
    left_out = unmatched_conditions(partly.runs, partly.arms)
    assert left_out[0] == "contrastive all margin=0.2 lr=0.001 epochs=5"
    assert len(left_out) == 4


def test_what_seeds_chose_names_the_epochs_only_where_there_was_a_choice() -> None:
    (alone,) = comparisons(LONG)
    assert all(condition.epochs is None for condition, _ in alone.tuned.counts("triplet"))
    (both,) = comparisons(pd.concat([SHORT, LONG]))
    assert {condition.epochs for condition, _ in both.tuned.counts("triplet")} <= {5, 50}
