from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.comparisons import comparisons
from analysis.comparison.pairing import Condition, unmatched_conditions
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


@pytest.mark.parametrize(
    ("name", "usual", "other", "words"),
    [
        ("weight_decay", 0.0, 1e-3, "weight decay 0"),
        ("batch_size", 64, 128, "batch size 64"),
        ("embedding_dim", 128, 256, "embedding dim 128"),
        ("normalize", False, True, "not normalised"),
    ],
)
def test_sentence_5_other_hyperparameters_are_settings_of_the_same_dataset(
    name: str, usual: Any, other: Any, words: str
) -> None:
    worse = LONG.assign(**{name: other, "val/map_at_r": LONG["val/map_at_r"] - 0.5})
    (both,) = comparisons(pd.concat([LONG, worse]))
    (alone,) = comparisons(LONG)
    assert both.dataset == "digits"
    assert both.tuned.budget == 2 * (alone.tuned.budget or 0)
    assert set(both.grid()[name]) == {usual, other}
    assert set(both.at_default()[name]) == {usual}
    chosen = [condition for condition, _ in both.tuned.counts("triplet")]
    assert all(str(condition).endswith(f", {words}") for condition in chosen)
    without = [Condition(**{**condition._asdict(), name: None}) for condition in chosen]
    assert without == [condition for condition, _ in alone.tuned.counts("triplet")]


def test_the_default_setting_has_the_largest_batches_of_both_losses_where_no_usual_ones_are() -> None:
    of_32, of_256, of_512 = (LONG.assign(batch_size=size) for size in (32, 256, 512))
    (study,) = comparisons(with_epochs((of_32, of_256, of_512), (of_32, of_256)))
    assert set(study.at_default()["batch_size"]) == {256}


def test_each_loss_may_be_averaged_over_weight_decays_of_its_own() -> None:
    (study,) = comparisons(with_epochs((LONG,), (LONG.assign(weight_decay=0.1),)))
    assert len(study.grid()) == len(LONG)
    (apart,) = comparisons(with_epochs((LONG,), (LONG.assign(batch_size=128),)))
    assert apart.grid().empty
