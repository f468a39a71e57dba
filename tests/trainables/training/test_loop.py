from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.trainables.test_invariants import ALONE, DIGITS, EIGHT_EPOCHS, MEMBERS, points
from trainables.datasets.registry import load_vectors
from trainables.objectives.objective import objective
from trainables.pack import Pack
from trainables.random_streams import random_stream
from trainables.training.batches import load_pack_data
from trainables.training.loop import train_pack


def test_training_equals_a_plain_pytorch_loop() -> None:
    """One member against torch.nn, torch.optim and autograd, step by step from the same weights and batches."""
    digits = load_vectors("digits")
    structure = replace(DIGITS, miner="semihard", epochs=2)
    pack = Pack(structure, (ALONE,))
    data = load_pack_data(pack, digits, torch.device("cpu"))
    draw = random_stream("digits", ALONE.seed, "weights")
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
    curves = {"val/map_at_r"}
    curves |= {f"test/{name}" for name in ("intra_variance", "variance_ratio", "recall_at_8", "map_at_r")}
    at_end = {"val/intra_variance", "val/recall_at_1", "val/knn_accuracy", "val/linear_accuracy"}
    at_end |= {"test/knn_accuracy", "test/linear_accuracy"}
    for name in curves:
        assert {epoch for metric, epoch in recorded if metric == name} == {0, 2, 3}
    for name in at_end:
        assert {epoch for metric, epoch in recorded if metric == name} == {3}
    active = ("active_ratio", "active_anchors", "active_negatives", "active_negative_anchors")
    for name in (*active, "loss", "grad_norm", "probe_loss"):
        assert {epoch for metric, epoch in recorded if metric == f"train/{name}"} == {1, 2, 3}
    for name in ("loss_decay_epochs", "loss_decay_censored", "grad_norm_mean", *(f"{each}_mean" for each in active)):
        assert {epoch for metric, epoch in recorded if metric == f"train/{name}"} == {3}


def test_training_improves_retrieval_on_digits() -> None:
    recorded = points(train_pack(Pack(replace(DIGITS, epochs=8), (ALONE,)), load_vectors("digits")), 0)
    assert recorded[("test/map_at_r", 8)] > recorded[("test/map_at_r", 0)] + 0.2
    assert recorded[("test/recall_at_1", 8)] > 0.95


def test_a_run_that_stops_early_is_the_beginning_of_the_whole_run_and_its_validation_score_then() -> None:
    """Also in other packs: members are stopped and judged as they would be alone, to the last bit."""
    digits, whole = load_vectors("digits"), replace(EIGHT_EPOCHS, evaluate_every=5)
    stopped = replace(whole, stop_at=5)
    members = MEMBERS[:17]
    at_once = train_pack(Pack(stopped, members), digits)
    of_whole = train_pack(Pack(whole, members), digits)
    for position in (0, 16):
        early = {(metric, epoch): value for metric, epoch, value in at_once.points(position)}
        late = {(metric, epoch): value for metric, epoch, value in of_whole.points(position)}
        assert {key: late[key] for key in early} == early
        assert ("val/map_at_r", 5) in early
        assert {epoch for _, epoch in early} == {1, 2, 3, 4, 5}
        assert not any(metric.startswith("test/") for metric, _ in early)
        alone = train_pack(Pack(stopped, members[position : position + 1]), digits)
        assert points(alone, 0) == points(at_once, position)
