from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss, TripletMarginLoss
from pytorch_metric_learning.reducers import DoNothingReducer, MeanReducer
from torch import Tensor

from tests.trainables.batches import batches, distance, miner_input
from trainables.objectives.candidates import MinedTriplets
from trainables.objectives.losses import LOSSES
from trainables.objectives.miners import MINERS
from trainables.objectives.objective import objective

TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-9}
DTYPES = [torch.float32, torch.float64]


def triplets_of(labels: list[int]) -> list[tuple[int, int, int]]:
    return [
        (a, p, n)
        for a, p, n in itertools.product(range(len(labels)), repeat=3)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def naive_triplet(embeddings: Tensor, margin: float, triplets: list[tuple[int, int, int]], count: int) -> float:
    terms = [max(0.0, distance(embeddings, a, p) - distance(embeddings, a, n) + margin) for a, p, n in triplets]
    return sum(terms) / max(count, 1)


def naive_contrastive(
    embeddings: Tensor, margin: float, positives: set[frozenset[int]], negatives: set[frozenset[int]], count: int
) -> float:
    attraction = sum(distance(embeddings, *sorted(pair)) for pair in positives)
    repulsion = sum(max(0.0, margin - distance(embeddings, *sorted(pair)) ** 0.5) ** 2 for pair in negatives)
    return (attraction + repulsion) / max(count, 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_triplet_loss_over_all_triplets_equals_pytorch_metric_learning(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    reference = TripletMarginLoss(
        margin=0.7, distance=LpDistance(power=2, normalize_embeddings=False), reducer=MeanReducer()
    )
    for size, classes in [(8, 2), (64, 10), (64, 30), (33, 3)]:
        embeddings, labels = torch.randn(1, size, 16, dtype=dtype), torch.randint(0, classes, (1, size))
        ours = objective(embeddings, labels, torch.tensor([0.7], dtype=dtype), "triplet", "all").loss
        expected = reference(embeddings[0], labels[0])
        assert float(ours[0]) == pytest.approx(float(expected), rel=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_contrastive_loss_over_all_pairs_equals_pytorch_metric_learning(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    reference = ContrastiveLoss(
        pos_margin=0, neg_margin=5.0, distance=LpDistance(normalize_embeddings=False), reducer=DoNothingReducer()
    )
    for size, classes in [(8, 2), (64, 10), (33, 30)]:
        embeddings, labels = torch.randn(1, size, 16, dtype=dtype), torch.randint(0, classes, (1, size))
        losses = reference(embeddings[0], labels[0])
        terms = torch.cat([losses[kind]["losses"].flatten() for kind in ("pos_loss", "neg_loss")])
        ours = objective(embeddings, labels, torch.tensor([5.0], dtype=dtype), "contrastive", "all").loss
        assert float(ours[0]) == pytest.approx(float(terms.square().mean()), rel=TOLERANCE[dtype])


@settings(max_examples=60, deadline=None)
@given(batches())
def test_losses_over_all_candidates_equal_naive_loops(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    embeddings, labels, margins = batch
    triplet = objective(embeddings, labels, margins, "triplet", "all")
    contrastive = objective(embeddings, labels, margins, "contrastive", "all")
    for member in range(len(margins)):
        classes, margin = labels[member].tolist(), float(margins[member])
        triplets = triplets_of(classes)
        pairs = [frozenset(pair) for pair in itertools.combinations(range(len(classes)), 2)]
        positives = {pair for pair in pairs if len({classes[i] for i in pair}) == 1}
        negatives = set(pairs) - positives
        expected = naive_triplet(embeddings[member], margin, triplets, len(triplets))
        assert float(triplet.loss[member]) == pytest.approx(expected, abs=1e-9)
        expected = naive_contrastive(embeddings[member], margin, positives, negatives, len(pairs))
        assert float(contrastive.loss[member]) == pytest.approx(expected, abs=1e-7)
        assert int(triplet.overall.candidates[member]) == len(triplets)
        assert int(contrastive.overall.candidates[member]) == len(pairs)


@settings(max_examples=60, deadline=None)
@given(batches())
@pytest.mark.parametrize("miner", sorted(MINERS.keys() - {"all"}))
def test_both_losses_use_the_same_mined_triplets(miner: str, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    embeddings, labels, margins = batch
    batch_input = miner_input(embeddings, labels, margins)
    mined = MINERS[miner](batch_input)
    assert isinstance(mined, MinedTriplets)
    triplet = LOSSES["triplet"].function(batch_input.distances, batch_input.masks, mined, margins)
    contrastive = LOSSES["contrastive"].function(batch_input.distances, batch_input.masks, mined, margins)
    for member in range(len(margins)):
        slots = [
            (a, int(mined.positive[member, a, t]), int(mined.negative[member, a, t]), bool(has_negative))
            for a, row in enumerate(mined.has_negative[member].tolist())
            for t, has_negative in enumerate(row)
            if mined.is_candidate[member, a, t]
        ]
        chosen = [(a, p, n) for a, p, n, has_negative in slots if has_negative]
        margin = float(margins[member])
        expected = naive_triplet(embeddings[member], margin, chosen, len(slots))
        assert float(triplet.loss[member]) == pytest.approx(expected, abs=1e-9)
        candidates = {frozenset((a, p)) for a, p, _, _ in slots}
        positives = {frozenset((a, p)) for a, p, _ in chosen}
        negatives = {frozenset((a, n)) for a, _, n in chosen}
        expected = naive_contrastive(embeddings[member], margin, positives, negatives, len(candidates) + len(negatives))
        assert float(contrastive.loss[member]) == pytest.approx(expected, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(batches(dtype=torch.float32))
def test_active_triplets_are_counted_exactly_on_integer_distances(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """On a grid with an integer margin many terms are exactly zero: they are candidates, not active."""
    embeddings, labels, margins = batch
    embeddings, margins = embeddings.mul(2).round(), margins.ceil()
    # Shifting each batch to a mean of zero may not be exact, so the grid's distances are put in directly.
    exact = (embeddings.unsqueeze(2) - embeddings.unsqueeze(1)).square().sum(3)
    batch_input = miner_input(embeddings, labels, margins)
    result = LOSSES["triplet"].function(exact, batch_input.masks, MINERS["all"](batch_input), margins)
    for member in range(len(margins)):
        active = [
            (a, p, n)
            for a, p, n in triplets_of(labels[member].tolist())
            if distance(embeddings[member], a, p) - distance(embeddings[member], a, n) + float(margins[member]) > 0
        ]
        assert int(result.overall.active[member]) == len(active)
        assert int(result.by_kind["anchors"].active[member]) == len({a for a, _, _ in active})


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("miner", MINERS)
def test_gradients_pass_gradcheck(loss: str, miner: str) -> None:
    torch.manual_seed(3)
    embeddings = torch.randn(2, 9, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2, 3], [0, 1, 0, 1, 0, 1, 0, 1, 2]])
    margins = torch.tensor([0.6, 1.4], dtype=torch.float64)
    uniforms = torch.rand(2, 9, 9, dtype=torch.float64)

    def value(points: Tensor) -> Tensor:
        return objective(points, labels, margins, loss, miner, uniforms).loss

    assert torch.autograd.gradcheck(value, (embeddings,), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("miner", MINERS)
@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [0, 1, 2], [0, 0, 1]])
def test_batches_without_candidates_give_zero_and_finite_gradients(loss: str, miner: str, labels: list[int]) -> None:
    embeddings = torch.zeros(1, len(labels), 4, requires_grad=True)
    uniforms = torch.full((1, len(labels), len(labels)), 0.5)
    result = objective(embeddings, torch.tensor([labels]), torch.tensor([1.0]), loss, miner, uniforms)
    result.loss.sum().backward()
    assert result.loss.isfinite().all()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
    if len(set(labels)) == 1 or len(set(labels)) == len(labels):
        assert loss == "contrastive" or float(result.loss.detach()[0]) == 0.0


def test_sums_are_divided_by_all_candidates_not_by_the_active_ones() -> None:
    points = torch.tensor([[[0.0], [0.0], [10.0], [10.0]]])
    labels = torch.tensor([[0, 0, 1, 1]])
    shifted = points.clone()
    shifted[0, 1, 0] = 1.0
    result = objective(shifted, labels, torch.tensor([1.0]), "contrastive", "all")
    assert int(result.overall.candidates[0]) == 6
    assert int(result.overall.active[0]) == 1
    assert float(result.loss[0]) == pytest.approx(1.0 / 6.0)


@settings(max_examples=60, deadline=None)
@given(batches())
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("miner", ["all", "semihard", "hard"])
def test_sentence_21_both_losses_count_active_anchors_in_the_same_way(
    miner: str, loss: str, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    """An anchor is a sample with a positive and a negative. It is active if one of its terms is."""
    embeddings, labels, margins = batch
    batch_input = miner_input(embeddings, labels, margins)
    mined = MINERS[miner](batch_input)
    counts = LOSSES[loss].function(batch_input.distances, batch_input.masks, mined, margins).by_kind
    for member in range(len(margins)):
        squared, margin = batch_input.distances[member], float(margins[member])
        if isinstance(mined, MinedTriplets):
            slots = mined.has_negative[member].nonzero().tolist()
            triplets = [(a, int(mined.positive[member, a, t]), int(mined.negative[member, a, t])) for a, t in slots]
            anchors = int(mined.is_candidate[member].any(1).sum())
        else:
            triplets = triplets_of(labels[member].tolist())
            anchors = len({a for a, _, _ in triplets})
        if loss == "triplet":
            active = {a for a, p, n in triplets if float(squared[a, p] - squared[a, n]) + margin > 0}
        else:
            active = {a for a, p, n in triplets if float(squared[a, p]) > 0 or float(squared[a, n]) ** 0.5 < margin}
        assert int(counts["anchors"].candidates[member]) == anchors
        assert int(counts["anchors"].active[member]) == len(active)


def test_positive_and_negative_pairs_are_counted_separately() -> None:
    points = torch.tensor([[[0.0], [1.0], [10.0], [10.5]]])
    result = objective(points, torch.tensor([[0, 0, 1, 0]]), torch.tensor([1.0]), "contrastive", "all")
    for kind, active in (("positive_pairs", 3), ("negative_pairs", 1)):
        assert int(result.by_kind[kind].active[0]) == active
        assert int(result.by_kind[kind].candidates[0]) == 3


@settings(max_examples=60, deadline=None)
@given(batches())
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("miner", MINERS)
def test_sentence_21_active_negatives_are_pairs_within_the_margin_or_triplets_with_a_term(
    miner: str, loss: str, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    """Of the negatives that the miner found; an anchor counts if it has one of them."""
    embeddings, labels, margins = batch
    batch_input = miner_input(embeddings, labels, margins, margin_power=LOSSES[loss].margin_power)
    mined = MINERS[miner](batch_input)
    counts = LOSSES[loss].function(batch_input.distances, batch_input.masks, mined, margins).by_kind
    for member in range(len(margins)):
        squared, margin = batch_input.distances[member], float(margins[member])
        if isinstance(mined, MinedTriplets):
            slots = mined.has_negative[member].nonzero().tolist()
            triplets = [(a, int(mined.positive[member, a, t]), int(mined.negative[member, a, t])) for a, t in slots]
            triplet_candidates = int(mined.is_candidate[member].sum())
        else:
            triplets = triplets_of(labels[member].tolist())
            triplet_candidates = len(triplets)
        if loss == "triplet":
            active = [(a, p, n) for a, p, n in triplets if float(squared[a, p] - squared[a, n]) + margin > 0]
            expected, candidates = len(active), triplet_candidates
            anchors = {a for a, _, _ in active}
        else:
            of_anchors = {(a, n) for a, _, n in triplets}
            pairs = {frozenset(pair) for pair in of_anchors}
            if miner == "all":  # every negative pair, also of samples without a positive
                classes = labels[member].tolist()
                places = itertools.combinations(range(len(classes)), 2)
                pairs = {frozenset((a, b)) for a, b in places if classes[a] != classes[b]}
            near = {pair for pair in pairs if float(squared[tuple(pair)]) ** 0.5 < margin}
            expected, candidates = len(near), len(pairs)
            anchors = {a for a, n in of_anchors if frozenset((a, n)) in near}
        assert int(counts["negatives"].active[member]) == expected
        assert int(counts["negatives"].candidates[member]) == candidates
        assert int(counts["negative_anchors"].active[member]) == len(anchors)
        assert int(counts["negative_anchors"].candidates[member]) == int(counts["anchors"].candidates[member])
