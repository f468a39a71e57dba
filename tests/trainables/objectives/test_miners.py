from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import BatchHardMiner, DistanceWeightedMiner, TripletMarginMiner
from scipy import stats
from torch import Tensor

from tests.trainables.batches import batches, miner_input
from trainables.objectives.candidates import MinedTriplets
from trainables.objectives.losses import LOSSES
from trainables.objectives.miners import MARGIN_MINERS, MINERS, RANDOM_MINERS, distance_weights, mine_random
from trainables.objectives.objective import objective


def mined_triplets(mined: MinedTriplets, member: int = 0) -> set[tuple[int, int, int]]:
    return {
        (a, int(mined.positive[member, a, t]), int(mined.negative[member, a, t]))
        for a, t in mined.has_negative[member].nonzero().tolist()
    }


def mine(
    name: str, embeddings: Tensor, labels: Tensor, margins: Tensor, seed: int = 0, margin_power: int = 2
) -> MinedTriplets:
    mined = MINERS[name](miner_input(embeddings, labels, margins, seed, margin_power))
    assert isinstance(mined, MinedTriplets)
    return mined


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [0.2, 1.0, 20.0])
@pytest.mark.parametrize("margin_power", [1, 2])
def test_sentence_3_semihard_takes_the_closest_of_pytorch_metric_learnings_negatives_on_d_and_on_its_square(
    dtype: torch.dtype, margin: float, margin_power: int
) -> None:
    torch.manual_seed(0)
    embeddings, labels = torch.randn(1, 64, 8, dtype=dtype), torch.randint(0, 10, (1, 64))
    reference = TripletMarginMiner(
        margin=margin, type_of_triplets="semihard", distance=LpDistance(power=margin_power, normalize_embeddings=False)
    )
    theirs: dict[tuple[int, int], list[int]] = {}
    for a, p, n in zip(*(indices.tolist() for indices in reference(embeddings[0], labels[0])), strict=True):
        theirs.setdefault((a, p), []).append(n)
    squared = (embeddings[0].unsqueeze(1) - embeddings[0].unsqueeze(0)).square().sum(2)
    expected = {(a, p, min(ns, key=lambda n, a=a: float(squared[a, n]))) for (a, p), ns in theirs.items()}  # type: ignore[misc]
    margins = torch.tensor([margin], dtype=dtype)
    assert mined_triplets(mine("semihard", embeddings, labels, margins, margin_power=margin_power)) == expected
    assert expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hard_equals_pytorch_metric_learnings_batch_hard(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    embeddings, labels = torch.randn(1, 64, 8, dtype=dtype), torch.randint(0, 12, (1, 64))
    reference = BatchHardMiner(distance=LpDistance(normalize_embeddings=False))
    theirs = set(zip(*(indices.tolist() for indices in reference(embeddings[0], labels[0])), strict=True))
    assert mined_triplets(mine("hard", embeddings, labels, torch.ones(1, dtype=dtype))) == theirs


@settings(max_examples=80, deadline=None)
@given(batches())
@pytest.mark.parametrize("margin_power", [1, 2])
def test_sentence_3_semihard_negatives_lie_strictly_between_the_positive_and_the_margin_on_its_own_scale(
    margin_power: int, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    embeddings, labels, margins = batch
    batch_input = miner_input(embeddings, labels, margins, margin_power=margin_power)
    mined = MINERS["semihard"](batch_input)
    assert isinstance(mined, MinedTriplets)
    for member in range(len(margins)):
        squared, margin = batch_input.distances[member], margins[member]
        scale = {1: squared.sqrt(), 2: squared}[margin_power]
        negative_of = {(a, p): n for a, p, n in mined_triplets(mined, member)}
        for a in range(len(squared)):
            for p in range(len(squared)):
                if a == p or labels[member, a] != labels[member, p]:
                    assert (a, p) not in negative_of
                    continue
                between = [
                    n
                    for n in range(len(squared))
                    if labels[member, n] != labels[member, a]
                    # Two squared distances that differ in the last digit alone may have one root.
                    and squared[a, p] < squared[a, n]
                    and scale[a, n] < scale[a, p] + margin
                ]
                assert ((a, p) in negative_of) == bool(between)
                if between:
                    assert squared[a, negative_of[a, p]] == min(squared[a, n] for n in between)


@settings(max_examples=60, deadline=None)
@given(batches())
@pytest.mark.parametrize("name", sorted(MINERS.keys() - {"all"}))
def test_mined_triplets_hold_a_positive_and_a_negative(name: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    embeddings, labels, margins = batch
    mined = mine(name, embeddings, labels, margins)
    assert not (mined.has_negative & ~mined.is_candidate).any()
    for member in range(len(margins)):
        for a, p, n in mined_triplets(mined, member):
            assert a != p
            assert labels[member, a] == labels[member, p]
            assert labels[member, a] != labels[member, n]


def test_random_negatives_are_uniform() -> None:
    labels = torch.tensor([[0, 0, 1, 2, 1, 3]])
    counts = np.zeros(6)
    for seed in range(600):
        mined = mine_random(miner_input(torch.zeros(1, 6, 2), labels, torch.ones(1), seed))
        counts[int(mined.negative[0, 0, 1])] += 1
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
        for a, _, n in mined_triplets(mine("distance_weighted", embeddings, labels, torch.ones(1), seed)):
            ours[n] += a == 0
        anchors, _, negatives = reference(torch.nn.functional.normalize(embeddings[0]), labels[0])
        for a, n in zip(anchors.tolist(), negatives.tolist(), strict=True):
            theirs[n] += a == 0
    drawn = (ours + theirs) > 0
    assert drawn.sum() > 1
    assert stats.chi2_contingency(np.stack([ours[drawn], theirs[drawn]])).pvalue > 1e-3


@pytest.mark.parametrize("name", sorted(RANDOM_MINERS))
def test_random_miners_say_that_they_need_uniforms(name: str) -> None:
    batch_input = miner_input(torch.randn(1, 4, 2), torch.tensor([[0, 0, 1, 1]]), torch.ones(1))
    without = replace(batch_input, uniforms=None)
    with pytest.raises(ValueError, match="uniforms"):
        MINERS[name](without)


@pytest.mark.parametrize("name", sorted(MINERS.keys() - {"all"}))
def test_the_margin_miners_are_those_whose_triplets_follow_the_margin_and_its_power(name: str) -> None:
    torch.manual_seed(4)
    embeddings, labels = torch.randn(1, 40, 2), torch.randint(0, 6, (1, 40))
    found = {
        (margin, power): frozenset(mined_triplets(mine(name, embeddings, labels, torch.tensor([margin]), 0, power)))
        for margin in (0.5, 2.0)
        for power in (1, 2)
    }
    assert len(set(found.values())) == (4 if name in MARGIN_MINERS else 1)


def test_sentence_3_the_window_of_a_miner_is_on_the_scale_of_the_loss_that_uses_it() -> None:
    """The negative is farther than the positive by 0.5 in d, and by 3.25 in d^2; the margin is 1."""
    points, labels = torch.tensor([[[0.0], [3.0], [-3.5]]]), torch.tensor([[0, 0, 1]])
    assert {name: loss.margin_power for name, loss in LOSSES.items()} == {"contrastive": 1, "triplet": 2}
    on_d, on_squares = (
        objective(points, labels, torch.ones(1), loss, "semihard") for loss in ("contrastive", "triplet")
    )
    assert int(on_d.by_kind["negative_pairs"].candidates) == 1
    assert float(on_d.loss) == pytest.approx(9.0 / 2)
    assert int(on_squares.overall.active) == 0
