from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.trainables.test_invariants import ALONE, DIGITS, points
from trainables.datasets import load_vectors, split_dataset
from trainables.loss_decay import LossDecay
from trainables.objective import objective
from trainables.placement import place
from trainables.spec import Pack
from trainables.streams import stream
from trainables.training import train_pack


def test_training_equals_a_plain_pytorch_loop() -> None:
    """One member against torch.nn, torch.optim and autograd, step by step from the same weights and batches."""
    digits = load_vectors("digits")
    structure = replace(DIGITS, miner="semihard", epochs=2)
    pack = Pack(structure, (ALONE,))
    data = place(pack, digits, torch.device("cpu"))
    draw = stream("digits", ALONE.seed, "weights")
    layers = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 30))
    with torch.no_grad():
        for layer in (layers[0], layers[2]):
            weight, bias = layer.weight, layer.bias
            assert isinstance(weight, torch.Tensor)
            assert isinstance(bias, torch.Tensor)
            scale = weight.shape[1] ** 0.5
            weight.copy_(((torch.rand(weight.shape[::-1], generator=draw) * 2 - 1) / scale).T)
            bias.copy_((torch.rand(1, len(bias), generator=draw) * 2 - 1)[0] / scale)
    adam = torch.optim.Adam(layers.parameters(), lr=ALONE.lr)
    losses: list[float] = []
    norms: list[float] = []
    for epoch in (1, 2):
        losses, norms = [], []
        for inputs, labels, _ in data.batches(epoch):
            embeddings = layers(inputs[0]).unsqueeze(0)
            loss = objective(embeddings, labels, torch.tensor([ALONE.margin]), "triplet", "semihard").loss.sum()
            adam.zero_grad()
            loss.backward()
            losses.append(float(loss.detach()))
            norms.append(float(nn.utils.clip_grad_norm_(layers.parameters(), 1e9)))
            adam.step()
    ours = points(train_pack(pack, digits), 0)
    assert ours[("train/loss", 2)] == pytest.approx(sum(losses) / len(losses), rel=1e-3)
    assert ours[("train/grad_norm", 2)] == pytest.approx(sum(norms) / len(norms), rel=1e-3)


def test_every_metric_is_recorded_when_it_should_be() -> None:
    recorded = points(train_pack(Pack(DIGITS, (ALONE,)), load_vectors("digits")), 0)
    evaluated = (
        "intra_variance",
        "inter_variance_normalized",
        "variance_ratio",
        "recall_at_8",
        "map_at_r",
        "knn_accuracy",
    )
    for part in ("val", "test"):
        for name in evaluated:
            assert {epoch for metric, epoch in recorded if metric == f"{part}/{name}"} == {0, 2, 3}
        assert {epoch for metric, epoch in recorded if metric == f"{part}/linear_accuracy"} == {3}
    for name in ("loss", "active_ratio", "active_anchors", "grad_norm", "probe_loss"):
        assert {epoch for metric, epoch in recorded if metric == f"train/{name}"} == {1, 2, 3}
    for name in ("loss_decay_epochs", "loss_decay_censored", "grad_norm_mean", "active_ratio_mean"):
        assert {epoch for metric, epoch in recorded if metric == f"train/{name}"} == {3}


def test_training_improves_retrieval_on_digits() -> None:
    recorded = points(train_pack(Pack(replace(DIGITS, epochs=8), (ALONE,)), load_vectors("digits")), 0)
    assert recorded[("test/map_at_r", 8)] > recorded[("test/map_at_r", 0)] + 0.2
    assert recorded[("test/recall_at_1", 8)] > 0.95


def test_sentence_20_loss_decay_is_the_first_epoch_at_a_tenth_of_the_untrained_loss() -> None:
    """T is the first epoch with L_t <= q L_0, and min(T, E) where it is never reached."""
    decay = LossDecay(torch.tensor([10.0, 10.0, 10.0]))
    for epoch, losses in enumerate([[6.0, 4.0, 9.0], [1.0, 3.0, 9.0], [8.0, 1.01, 9.0], [0.5, 0.9, 9.0]], start=1):
        decay.update(epoch, torch.tensor(losses))
    metrics = decay.metrics(last_epoch=4)
    assert metrics["loss_decay_epochs"].tolist() == [2.0, 4.0, 4.0]
    assert metrics["loss_decay_censored"].tolist() == [0.0, 0.0, 1.0]
    assert metrics["loss_halving_epochs"].tolist() == [2.0, 1.0, 4.0]


def test_splits_are_disjoint_stratified_and_share_their_test_part() -> None:
    digits = load_vectors("digits")
    first, second = split_dataset(digits, 0), split_dataset(digits, 1)
    assert torch.equal(first.test, second.test)
    assert not torch.equal(first.validation, second.validation)
    for split in (first, second):
        everything = torch.cat([split.train, split.validation, split.test])
        assert len(everything) == len(everything.unique()) == len(digits.labels)
        for part in (split.train, split.validation, split.test):
            shares = torch.bincount(digits.labels[part], minlength=10) / len(part)
            assert (shares - 0.1).abs().max() < 0.015


def test_synthetic_clusters_obey_their_options() -> None:
    from trainables.datasets.synthetic import SyntheticOptions, make_clusters

    draw = torch.Generator().manual_seed(0)
    inputs, labels = make_clusters(SyntheticOptions(spread=0.5, overlap=0.0, outliers=0.0), draw)
    assert inputs.shape == (2000, 128)
    assert torch.bincount(labels).tolist() == [200] * 10
    assert float(inputs[labels == 3].std(0).mean()) == pytest.approx(0.5, rel=0.05)
    draw = torch.Generator().manual_seed(0)
    wide, _ = make_clusters(SyntheticOptions(spread=0.5, overlap=0.0, outliers=1.0), draw)
    assert float(wide[labels == 3].std(0).mean()) == pytest.approx(2.5, rel=0.05)
    mixed, mixed_labels = make_clusters(
        SyntheticOptions(spread=0.01, overlap=0.3, outliers=0.0), torch.Generator().manual_seed(0)
    )
    centres = torch.stack([mixed[mixed_labels == c].median(0).values for c in range(10)])
    strayed = (torch.cdist(mixed, centres).argmin(1) != mixed_labels).double().mean()
    assert float(strayed) == pytest.approx(0.3, abs=0.05)
