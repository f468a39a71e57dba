"""The plain way computes what a pack computes: only then do their times compare."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.benchmarks.plain_training import Task, epoch_batches, make_network, task_of, train
from trainables.datasets.registry import load_vectors
from trainables.datasets.synthetic import AnyDataset, SyntheticOptions
from trainables.networks.encoders import make_encoder
from trainables.networks.parameters import stack_parameters
from trainables.pack import Member, Pack, Structure
from trainables.random_streams import random_stream
from trainables.training.batches import load_pack_data
from trainables.training.history import History
from trainables.training.loop import train_pack

EPOCHS, SEED, DIM = 3, 4, 32
SMALL = SyntheticOptions(samples_per_class=60, dim=32)
SETTINGS = {"contrastive": [(1.0, 1e-3), (16.0, 3e-3)], "triplet": [(0.5, 1e-3), (64.0, 3e-3)]}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a trial of either way. More threads would wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def structure(dataset: str, loss: str) -> Structure:
    return Structure(dataset, "mlp", "closed", loss, "all", EPOCHS, 64, "shuffle", 4, DIM, False, False, EPOCHS)


def task(dataset: AnyDataset, loss: str) -> Task:
    return task_of(dataset, loss, SEED, 64, DIM, (1, EPOCHS))


def last(history: History, member: int, metric: str, epoch: int) -> float:
    (value,) = [value for name, at, value in history.points(member) if (name, at) == (metric, epoch)]
    return value


@pytest.mark.parametrize("dataset", ["digits", "synthetic"])
def test_the_plain_way_has_the_batches_and_the_initial_weights_of_a_pack(dataset: str) -> None:
    data = load_vectors(dataset, SMALL)
    plain, pack = task(data, "triplet"), Pack(structure(dataset, "triplet"), (Member(1.0, 1e-3, SEED),))
    theirs = list(load_pack_data(pack, data, torch.device("cpu")).batches(2))
    ours = list(epoch_batches(plain, 2))
    assert len(ours) == len(theirs) > 2
    for (inputs, labels), (stacked, stacked_labels, _) in zip(ours, theirs, strict=True):
        assert torch.equal(inputs, stacked[0])
        assert torch.equal(labels, stacked_labels[0])
    encoder = make_encoder("mlp", data.input_shape, DIM)
    parameters = stack_parameters([encoder.initialise(random_stream(dataset, SEED, "weights"))], torch.device("cpu"))
    inputs = plain.validation[0]
    expected = encoder.embed(parameters.views, inputs.unsqueeze(0))[0]
    torch.testing.assert_close(make_network(plain)(inputs), expected)


@pytest.mark.parametrize("dataset", ["digits", "synthetic"])
@pytest.mark.parametrize("loss", SETTINGS)
def test_the_plain_way_has_the_losses_and_the_scores_of_a_pack(dataset: str, loss: str) -> None:
    data = load_vectors(dataset, SMALL)
    members = tuple(Member(margin, lr, SEED) for margin, lr in SETTINGS[loss])
    history = train_pack(Pack(structure(dataset, loss), members), data)
    for number, member in enumerate(members):
        first, end = train(task(data, loss), member.margin, member.lr)
        for report, epoch in ((first, 1), (end, EPOCHS)):
            assert report["epoch"] == epoch
            assert report["train/loss"] == pytest.approx(last(history, number, "train/loss", epoch), rel=5e-4)
        for metric in ("val/map_at_r", "test/map_at_r", "test/recall_at_1"):
            assert end[metric] == pytest.approx(last(history, number, metric, EPOCHS), abs=2e-3)


@pytest.mark.parametrize("loss", SETTINGS)
def test_over_seeds_the_plain_way_and_packs_have_the_same_scores(loss: str) -> None:
    """Rounding sends single runs apart, and not their mean: it lies within a tenth of what seeds differ by."""
    data, seeds, ((margin, lr), _) = load_vectors("digits"), range(8), SETTINGS[loss]
    history = train_pack(Pack(structure("digits", loss), tuple(Member(margin, lr, seed) for seed in seeds)), data)
    ours = torch.tensor([last(history, member, "test/map_at_r", EPOCHS) for member, _ in enumerate(seeds)])
    plain = [list(train(task_of(data, loss, seed, 64, DIM, (EPOCHS,)), margin, lr))[-1] for seed in seeds]
    theirs = torch.tensor([end["test/map_at_r"] for end in plain])
    assert abs(float((ours - theirs).mean())) < 0.1 * float(theirs.std())
