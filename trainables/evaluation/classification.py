"""How well embeddings classify: k nearest neighbours, and a linear probe."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.distances import CrossDistances
from trainables.evaluation.chunks import member_chunks
from trainables.ordering import smallest_columns

NEIGHBOURS = 5


def knn_accuracy(
    queries: Tensor,
    query_labels: Tensor,
    references: tuple[Tensor, Tensor] | None = None,
    neighbours: int = NEIGHBOURS,
) -> Tensor:
    """Share of queries whose nearest references agree with their label by majority.

    Args:
        queries: [K, Q, D].
        query_labels: [K, Q] from 0.
        references: [K, N, D], the training embeddings, and their labels [K, N]; None takes for each query the others.
        neighbours: References that vote; a tie goes to the smallest label.

    Returns:
        [K] float64.
    """
    among, labels = references or (queries, query_labels)
    itself = references is None
    votes_from = min(neighbours, among.shape[1] - itself)
    positions = torch.arange(among.shape[1], device=among.device)
    distances_of = CrossDistances(queries, among)
    correct = []
    for members, part in member_chunks(queries.shape[0], queries.shape[1], among.shape[1], queries.device):
        distances = distances_of.block(members, part)
        if itself:
            distances.masked_fill_(positions[part].unsqueeze(1) == positions, torch.inf)
        nearest = smallest_columns(distances, votes_from)
        candidates = labels[members].unsqueeze(1).expand(-1, nearest.shape[1], -1).gather(2, nearest)
        votes = torch.nn.functional.one_hot(candidates, int(labels.max()) + 1).sum(2)
        correct.append((votes.argmax(2) == query_labels[members, part]).flatten())
    return torch.cat(correct).view(query_labels.shape).double().mean(1)


def linear_accuracy_within(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Accuracy [K] float64 of linear probes inside one part: each half is classified by a probe fitted on the other.

    The halves take turns within each class, so that every class of two samples is in both.

    Args:
        embeddings: [K, N, D].
        labels: [K, N] from 0.
    """
    order = labels.sort(dim=1, stable=True).indices
    halves = []
    for first in (0, 1):
        chosen = order[:, first::2]
        halves.append((embeddings.gather(1, chosen.unsqueeze(2).expand(-1, -1, embeddings.shape[2])), chosen))
    (one, of_one), (other, of_other) = halves
    one_labels, other_labels = labels.gather(1, of_one), labels.gather(1, of_other)
    correct = LinearProbe(one, one_labels).accuracy(other, other_labels) * other.shape[1]
    correct = correct + LinearProbe(other, other_labels).accuracy(one, one_labels) * one.shape[1]
    return correct / labels.shape[1]


class LinearProbe:
    """Multinomial logistic regression on standardised embeddings, fitted for all members at once.

    The objective is scikit-learn's ``LogisticRegression(C=1)`` after a ``StandardScaler``: the summed cross entropy
    plus half the squared norm of the weights, the intercept free. It is minimised by Nesterov's method in the metric of
    Boehning's bound ("Multinomial logistic regression algorithm", 1992): the Hessian is at most (X'X / 2) for each
    class, so one Cholesky factor serves every iteration and no step size is searched.
    """

    def __init__(self, embeddings: Tensor, labels: Tensor, iterations: int = 200) -> None:
        """Fits on embeddings [K, N, D] with labels [K, N] from 0."""
        self._mean = embeddings.mean(1, keepdim=True)
        deviation = (embeddings - self._mean).square().mean(1, keepdim=True).sqrt()
        self._scale = torch.where(deviation > 0, deviation, 1.0)
        targets = embeddings.new_zeros(labels.shape[0], int(labels.max()) + 1, labels.shape[1])
        targets.scatter_(1, labels.unsqueeze(1), 1.0)
        self._weights, self._intercepts = _fit_multinomial(self._features(embeddings), targets, iterations)

    def accuracy(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Share [K] float64 of embeddings [K, N, D] that get their label."""
        logits = torch.baddbmm(self._intercepts, self._weights, self._features(embeddings).transpose(1, 2))
        return (logits.argmax(1) == labels).double().mean(1)

    def _features(self, embeddings: Tensor) -> Tensor:
        return (embeddings - self._mean) / self._scale


def _fit_multinomial(features: Tensor, targets: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Weights [K, C, D] and intercepts [K, C, 1] from centred features [K, N, D] and one-hot targets [K, C, N].

    As the features are centred, the bound has no term between weights and intercepts. Classes stand before samples
    throughout: the other order makes products this narrow several times slower.
    """
    exact = features.double()
    identity = torch.eye(features.shape[2], dtype=exact.dtype, device=exact.device)
    factor, failed = torch.linalg.cholesky_ex(0.5 * torch.bmm(exact.transpose(1, 2), exact) + identity)
    usable = (failed == 0) & factor.isfinite().flatten(1).all(1)
    inverse = torch.cholesky_inverse(torch.where(usable[:, None, None], factor, identity)).to(features.dtype)
    intercept_step = 2.0 / features.shape[1]

    transposed = features.transpose(1, 2)
    weights = features.new_zeros(features.shape[0], targets.shape[1], features.shape[2])
    intercepts = features.new_zeros(features.shape[0], targets.shape[1], 1)
    weights_ahead, intercepts_ahead, momentum = weights, intercepts, features.new_ones(features.shape[0], 1, 1)
    for _ in range(iterations):
        residual = torch.baddbmm(intercepts_ahead, weights_ahead, transposed).softmax(1).sub_(targets)
        slope = torch.bmm(residual, features).add_(weights_ahead)
        intercept_slope = residual.sum(2, keepdim=True)
        weights_after = torch.baddbmm(weights_ahead, slope, inverse, alpha=-1.0)
        intercepts_after = intercepts_ahead - intercept_step * intercept_slope
        weights_moved, intercepts_moved = weights_after - weights, intercepts_after - intercepts
        # Restart the momentum of a member where it points uphill (O'Donoghue and Candes 2015).
        uphill = (slope * weights_moved).flatten(1).sum(1) + (intercept_slope * intercepts_moved).flatten(1).sum(1)
        momentum = torch.where(uphill[:, None, None] > 0, 1.0, momentum)
        following = 0.5 * (1.0 + (1.0 + 4.0 * momentum.square()).sqrt())
        carried = (momentum - 1.0) / following
        weights_ahead = weights_after + carried * weights_moved
        intercepts_ahead = intercepts_after + carried * intercepts_moved
        weights, intercepts, momentum = weights_after, intercepts_after, following
    return weights, intercepts
