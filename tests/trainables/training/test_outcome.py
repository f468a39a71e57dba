"""What happened to a run, on fabricated values and on real collapses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from tests.trainables.test_invariants import DIGITS, points
from trainables.datasets.registry import load_vectors
from trainables.datasets.splits import Dataset, make_dataset
from trainables.datasets.synthetic import SyntheticOptions, make_clusters
from trainables.objectives.losses import LOSSES
from trainables.pack import Member, Pack
from trainables.training.history import History
from trainables.training.loop import train_pack
from trainables.training.outcome import Outcome
from trainables.training.snapshots import Snapshot, from_bytes, to_bytes
from trainables.training.within_memory import train_within_memory

NAN = float("nan")
EPOCHS = 12
SHORT = replace(DIGITS, dataset="synthetic", epochs=EPOCHS, evaluate_every=EPOCHS)
HARD = replace(SHORT, miner="hard", normalize=True)
HARD_MEMBERS = (Member(1.0, 1e-2, 0), Member(0.001, 1e-3, 1), Member(1.0, 1e30, 2), Member(16.0, 1e-2, 3))


def clusters(**options: float) -> Dataset:
    shape = SyntheticOptions(classes=6, samples_per_class=50, dim=16, **options)  # type: ignore[arg-type]
    return make_dataset("synthetic", *make_clusters(shape, torch.Generator().manual_seed(0)), "closed")


@pytest.fixture(scope="module")
def overlapping() -> Dataset:
    """Clusters in which the hardest triplets cannot be told apart."""
    return clusters(separation=0.1, overlap=0.2)


@pytest.fixture(scope="module")
def apart() -> Dataset:
    return clusters(separation=4.0, overlap=0.0, outliers=0.0)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def outcomes(history: History, member: int) -> dict[str, float]:
    names = {"train/collapsed_epoch": "collapsed", "train/satisfied_epoch": "satisfied"}
    return {names[name]: value for name, _, value in history.points(member) if name in names}


def followed(outcome: Outcome, largest: list[list[float]], active: list[list[float]]) -> dict[str, list[float]]:
    for epoch, (spread, share) in enumerate(zip(largest, active, strict=True), start=1):
        outcome.update(epoch, torch.tensor(spread), torch.tensor(share, dtype=torch.float64))
    return {name: values.nan_to_num(-1.0).tolist() for name, values in outcome.metrics().items()}


def test_an_outcome_counts_from_the_epoch_on_from_which_it_always_held() -> None:
    outcome = Outcome.of_untrained(torch.full((4,), 4.0), torch.ones(4), margin_power=2)
    #           never, then lost,  interrupted, from the start
    largest = [[1.0, 0.05, 0.05, 0.1], [1.0, 0.05, 0.2, 0.1], [1.0, 0.2, 0.1, 0.1], [0.2, 0.2, 0.1, 0.1]]
    active = [[0.0, 1.0, 1.0, 0.0], [0.5, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]]
    assert followed(outcome, largest, active) == {
        "collapsed_epoch": [-1.0, -1.0, 3.0, 1.0],
        "satisfied_epoch": [3.0, -1.0, -1.0, -1.0],
    }


@pytest.mark.parametrize(("margin_power", "limit"), [(1, 0.04), (2, 0.2)])
def test_sentence_3_a_collapse_is_measured_on_the_scale_of_the_margin(margin_power: int, limit: float) -> None:
    """A tenth of the margin 2, on d (its square is 0.04) or on d^2."""
    outcome = Outcome.of_untrained(torch.full((2,), 100.0), torch.full((2,), 2.0), margin_power)
    found = followed(outcome, [[0.99 * limit, 1.01 * limit]], [[1.0, 1.0]])
    assert found["collapsed_epoch"] == [1.0, -1.0]


def test_an_embedding_that_was_small_from_the_start_has_not_collapsed() -> None:
    outcome = Outcome.of_untrained(torch.full((2,), 0.5), torch.full((2,), 256.0), margin_power=2)
    assert followed(outcome, [[0.4, 0.05]], [[1.0, 1.0]])["collapsed_epoch"] == [-1.0, 1.0]


def test_sentence_23_what_is_not_finite_is_neither_collapsed_nor_satisfied() -> None:
    outcome = Outcome.of_untrained(torch.ones(2), torch.ones(2), margin_power=1)
    assert followed(outcome, [[NAN, torch.inf]], [[0.5, 0.5]]) == {
        "collapsed_epoch": [-1.0, -1.0],
        "satisfied_epoch": [-1.0, -1.0],
    }


def test_a_triplet_loss_that_stands_at_its_margin_is_told_as_a_collapse(overlapping: Dataset) -> None:
    history = train_pack(Pack(HARD, HARD_MEMBERS), overlapping)
    collapsed = outcomes(history, 0)
    assert collapsed.keys() == {"collapsed"}
    assert 1 <= collapsed["collapsed"] < EPOCHS
    recorded = points(history, 0)
    assert recorded[("train/loss", EPOCHS)] == pytest.approx(1.0, rel=0.02)
    assert recorded[("test/intra_variance", EPOCHS)] > 1e-6  # embeddings still jitter
    assert outcomes(history, 3).keys() == {"collapsed"}
    assert outcomes(history, 1) == {}  # its margin is smaller than this jitter
    assert history.diverged[2] == 1
    assert outcomes(history, 2) == {}


@pytest.mark.parametrize("loss", LOSSES)
def test_clusters_farther_apart_than_the_margin_satisfy_both_losses(apart: Dataset, loss: str) -> None:
    members = (Member(0.2, 1e-3, 0), Member(1000.0, 1e-3, 0))
    history = train_pack(Pack(replace(SHORT, loss=loss), members), apart)
    satisfied = outcomes(history, 0)
    assert satisfied.keys() == {"satisfied"}
    recorded = points(history, 0)
    since = satisfied["satisfied"]
    assert all(recorded[("train/active_negatives", epoch)] == 0 for epoch in range(int(since), EPOCHS + 1))
    assert since == 1 or recorded[("train/active_negatives", int(since) - 1)] > 0
    assert outcomes(history, 1) == {}
    if loss == "triplet":
        assert recorded[("train/loss", EPOCHS)] == 0


def test_ordinary_training_has_no_outcome() -> None:
    structure = replace(DIGITS, epochs=2)
    assert outcomes(train_pack(Pack(structure, (Member(1.0, 1e-3, 0),)), load_vectors("digits")), 0) == {}


def interrupted(pack: Pack, dataset: Dataset, at: int) -> Snapshot:
    snapshots = []

    def on_epoch(epoch: int, snapshot: Callable[[], Snapshot]) -> None:
        if epoch == at:
            snapshots.append(to_bytes(snapshot(), "pack"))

    train_pack(pack, dataset, on_epoch=on_epoch)
    return from_bytes(snapshots[0], "pack")


def test_outcomes_are_those_of_the_whole_training_after_a_stop_and_in_pieces(overlapping: Dataset) -> None:
    pack = Pack(HARD, HARD_MEMBERS)
    whole = train_pack(pack, overlapping)
    assert outcomes(whole, 0)["collapsed"] < EPOCHS - 1
    resumed = train_pack(pack, overlapping, resume=interrupted(pack, overlapping, EPOCHS - 1))
    pieces = train_within_memory(pack, overlapping, pieces=4)
    for member in range(len(HARD_MEMBERS)):
        assert outcomes(resumed, member) == outcomes(pieces, member) == outcomes(whole, member)
        assert points(pieces, member) == points(whole, member)
