from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import BatchHardMiner, DistanceWeightedMiner, TripletMarginMiner
from scipy import stats
from torch import Tensor

from tests.trainables.batches import batches, mining_batch
from trainables.miners import DRAWING_MINERS, MINERS, distance_weights, mine_random
from trainables.selection import Selection


def selected_triplets(selection: Selection, member: int = 0) -> set[tuple[int, int, int]]:
    return {
        (a, int(selection.positive[member, a, t]), int(selection.negative[member, a, t]))
        for a, t in selection.filled[member].nonzero().tolist()
    }


def mine(name: str, embeddings: Tensor, labels: Tensor, margins: Tensor, seed: int = 0) -> Selection:
    selection = MINERS[name](mining_batch(embeddings, labels, margins, seed))
    assert isinstance(selection, Selection)
    return selection


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [0.2, 1.0, 20.0])
def test_semihard_takes_the_closest_of_pytorch_metric_learnings_semihard_negatives(
    dtype: torch.dtype, margin: float
) -> None:
    torch.manual_seed(0)
    embeddings, labels = torch.randn(1, 64, 8, dtype=dtype), torch.randint(0, 10, (1, 64))
    reference = TripletMarginMiner(
        margin=margin, type_of_triplets="semihard", distance=LpDistance(power=2, normalize_embeddings=False)
    )
    theirs: dict[tuple[int, int], list[int]] = {}
    for a, p, n in zip(*(part.tolist() for part in reference(embeddings[0], labels[0])), strict=True):
        theirs.setdefault((a, p), []).append(n)
    squared = (embeddings[0].unsqueeze(1) - embeddings[0].unsqueeze(0)).square().sum(2)
    expected = {(a, p, min(ns, key=lambda n, a=a: float(squared[a, n]))) for (a, p), ns in theirs.items()}  # type: ignore[misc]
    assert selected_triplets(mine("semihard", embeddings, labels, torch.tensor([margin], dtype=dtype))) == expected
    assert expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hard_equals_pytorch_metric_learnings_batch_hard(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    embeddings, labels = torch.randn(1, 64, 8, dtype=dtype), torch.randint(0, 12, (1, 64))
    reference = BatchHardMiner(distance=LpDistance(normalize_embeddings=False))
    theirs = set(zip(*(part.tolist() for part in reference(embeddings[0], labels[0])), strict=True))
    assert selected_triplets(mine("hard", embeddings, labels, torch.ones(1, dtype=dtype))) == theirs


@settings(max_examples=80, deadline=None)
@given(batches())
def test_semihard_negatives_lie_strictly_between_the_positive_and_the_margin(
    batch: tuple[Tensor, Tensor, Tensor],
) -> None:
    embeddings, labels, margins = batch
    seen = mining_batch(embeddings, labels, margins)
    selection = MINERS["semihard"](seen)
    assert isinstance(selection, Selection)
    for member in range(len(margins)):
        squared, margin = seen.distances[member], margins[member]
        found = {(a, p): n for a, p, n in selected_triplets(selection, member)}
        for a in range(len(squared)):
            for p in range(len(squared)):
                if a == p or labels[member, a] != labels[member, p]:
                    assert (a, p) not in found
                    continue
                between = [
                    n
                    for n in range(len(squared))
                    if labels[member, n] != labels[member, a] and squared[a, p] < squared[a, n] < squared[a, p] + margin
                ]
                assert ((a, p) in found) == bool(between)
                if between:
                    assert squared[a, found[a, p]] == min(squared[a, n] for n in between)


@settings(max_examples=60, deadline=None)
@given(batches())
@pytest.mark.parametrize("name", ["random", "semihard", "hard", "distance_weighted"])
def test_selected_slots_hold_a_positive_and_a_negative(name: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    embeddings, labels, margins = batch
    selection = mine(name, embeddings, labels, margins)
    assert not (selection.filled & ~selection.offered).any()
    for member in range(len(margins)):
        for a, p, n in selected_triplets(selection, member):
            assert a != p
            assert labels[member, a] == labels[member, p]
            assert labels[member, a] != labels[member, n]


def test_random_negatives_are_uniform() -> None:
    labels = torch.tensor([[0, 0, 1, 2, 1, 3]])
    counts = np.zeros(6)
    for seed in range(600):
        selection = mine_random(mining_batch(torch.zeros(1, 6, 2), labels, torch.ones(1), seed))
        counts[int(selection.negative[0, 0, 1])] += 1
    assert counts[:2].sum() == 0
    assert stats.chisquare(counts[2:]).pvalue > 1e-3


def test_distance_weights_are_wus_inverse_density() -> None:
    torch.manual_seed(2)
    embeddings = torch.randn(1, 20, 6, dtype=torch.float64)
    negative = torch.ones(1, 20, 20, dtype=torch.bool) & ~torch.eye(20, dtype=torch.bool)
    ours = distance_weights(embeddings, negative, 0.5, 1.4)[0].numpy()
    unit = embeddings[0].numpy() / np.linalg.norm(embeddings[0].numpy(), axis=1, keepdims=True)
    d = np.maximum(np.linalg.norm(unit[:, None] - unit[None], axis=2), 0.5)
    density = d ** (6 - 2) * (1 - d**2 / 4) ** ((6 - 3) / 2)
    expected = np.where((d < 1.4) & ~np.eye(20, dtype=bool), 1 / density, 0.0)
    rows = expected.sum(1) > 0
    np.testing.assert_allclose(
        ours[rows] / ours[rows].sum(1, keepdims=True), expected[rows] / expected[rows].sum(1, keepdims=True), rtol=1e-9
    )


def test_distance_weighted_draws_as_often_as_pytorch_metric_learning() -> None:
    torch.manual_seed(3)
    np.random.seed(3)  # the reference draws from numpy's global generator
    embeddings, labels = torch.randn(1, 10, 4), torch.tensor([[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]])
    draws, ours, theirs = 1500, np.zeros(10), np.zeros(10)
    reference = DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4)
    for seed in range(draws):
        for a, _, n in selected_triplets(mine("distance_weighted", embeddings, labels, torch.ones(1), seed)):
            ours[n] += a == 0
        anchors, _, negatives = reference(torch.nn.functional.normalize(embeddings[0]), labels[0])
        for a, n in zip(anchors.tolist(), negatives.tolist(), strict=True):
            theirs[n] += a == 0
    seen = (ours + theirs) > 0
    assert seen.sum() > 1
    assert stats.chi2_contingency(np.stack([ours[seen], theirs[seen]])).pvalue > 1e-3


@pytest.mark.parametrize("name", sorted(DRAWING_MINERS))
def test_drawing_miners_say_that_they_need_uniforms(name: str) -> None:
    seen = mining_batch(torch.randn(1, 4, 2), torch.tensor([[0, 0, 1, 1]]), torch.ones(1))
    without = type(seen)(seen.distances, seen.embeddings, seen.relations, seen.margins, None)
    with pytest.raises(ValueError, match="uniforms"):
        MINERS[name](without)
