"""The accuracy of classifiers on embeddings: k nearest neighbours, and a linear probe."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.evaluation.chunks import member_chunks
from trainables.pairwise.distances import CrossDistances
from trainables.pairwise.ordering import smallest_columns

NEIGHBOURS = 5


def knn_accuracy(
    queries: Tensor,
    query_labels: Tensor,
    references: tuple[Tensor, Tensor] | None = None,
    neighbours: int = NEIGHBOURS,
) -> Tensor:
    """The share of queries that get their label by a vote of the nearest references.

    Args:
        queries: [K, Q, D].
        query_labels: [K, Q] from 0.
        references: Training embeddings [K, N, D] and their labels [K, N]. None takes the other queries.
        neighbours: How many references vote. If there is a tie, the smallest label wins.

    Returns:
        [K] float64.
    """
    leave_one_out = references is None
    embeddings, labels = references or (queries, query_labels)
    voters = min(neighbours, embeddings.shape[1] - leave_one_out)
    positions = torch.arange(embeddings.shape[1], device=embeddings.device)
    all_distances = CrossDistances(queries, embeddings)
    correct = []
    for members, chunk in member_chunks(queries.shape[0], queries.shape[1], embeddings.shape[1], queries.device):
        distances = all_distances.block(members, chunk)
        if leave_one_out:
            distances.masked_fill_(positions[chunk].unsqueeze(1) == positions, torch.inf)
        nearest = smallest_columns(distances, voters)
        neighbour_labels = labels[members].unsqueeze(1).expand(-1, nearest.shape[1], -1).gather(2, nearest)
        votes = torch.nn.functional.one_hot(neighbour_labels, int(labels.max()) + 1).sum(2)
        correct.append((votes.argmax(2) == query_labels[members, chunk]).flatten())
    return torch.cat(correct).view(query_labels.shape).double().mean(1)


def linear_accuracy_within(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Accuracy [K] float64 of linear probes in one part. A probe fitted on one half classifies the other half.

    The samples of each class go to the two halves in turn, so a class with two samples is in both.

    Args:
        embeddings: [K, N, D].
        labels: [K, N] from 0; every row has the same number of classes.
    """
    order = labels.sort(dim=1, stable=True).indices
    halves = []
    for start in (0, 1):
        columns = order[:, start::2]
        halves.append((embeddings.gather(1, columns.unsqueeze(2).expand(-1, -1, embeddings.shape[2])), columns))
    (first, first_columns), (second, second_columns) = halves
    first_labels, second_labels = labels.gather(1, first_columns), labels.gather(1, second_columns)
    classes = int(labels.max()) + 1  # a half may lack the only sample of a class, for some members and not for others
    correct = LinearProbe(first, first_labels, classes).accuracy(second, second_labels) * second.shape[1]
    correct = correct + LinearProbe(second, second_labels, classes).accuracy(first, first_labels) * first.shape[1]
    return correct / labels.shape[1]


class LinearProbe:
    """Multinomial logistic regression on standardised embeddings, fitted for all members at once.

    The objective is that of scikit-learn's ``LogisticRegression(C=1)`` after a ``StandardScaler``: the sum of the cross
    entropies plus half the squared norm of the weights, without the intercepts. Nesterov's method minimises it, with
    steps from Boehning's bound ("Multinomial logistic regression algorithm", 1992): the Hessian of each class is at
    most X'X / 2. So one Cholesky factor serves all iterations, and there is no search for a step size.
    """

    def __init__(self, embeddings: Tensor, labels: Tensor, classes: int | None = None, iterations: int = 200) -> None:
        """Fits on embeddings [K, N, D] with labels [K, N] below `classes`, by default one more than the largest."""
        self._mean = embeddings.mean(1, keepdim=True)
        deviation = (embeddings - self._mean).square().mean(1, keepdim=True).sqrt()
        self._scale = torch.where(deviation > 0, deviation, 1.0)
        targets = embeddings.new_zeros(labels.shape[0], classes or int(labels.max()) + 1, labels.shape[1])
        targets.scatter_(1, labels.unsqueeze(1), 1.0)
        self._weights, self._intercepts = _fit_multinomial(self._features(embeddings), targets, iterations)

    def accuracy(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The share [K] float64 of embeddings [K, N, D] that get their label [K, N]."""
        logits = torch.baddbmm(self._intercepts, self._weights, self._features(embeddings).transpose(1, 2))
        return (logits.argmax(1) == labels).double().mean(1)

    def _features(self, embeddings: Tensor) -> Tensor:
        return (embeddings - self._mean) / self._scale


def _fit_multinomial(features: Tensor, targets: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Weights [K, C, D] and intercepts [K, C, 1] from centred features [K, N, D] and one-hot targets [K, C, N].

    Because the features are centred, the bound has no term between weights and intercepts. Tensors have classes before
    samples, because these narrow products are several times slower the other way round.
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
        weights_gradient = torch.bmm(residual, features).add_(weights_ahead)
        intercepts_gradient = residual.sum(2, keepdim=True)
        weights_after = torch.baddbmm(weights_ahead, weights_gradient, inverse, alpha=-1.0)
        intercepts_after = intercepts_ahead - intercept_step * intercepts_gradient
        weights_moved, intercepts_moved = weights_after - weights, intercepts_after - intercepts
        # If a member's momentum points uphill, restart it (O'Donoghue and Candes 2015).
        uphill = (weights_gradient * weights_moved).flatten(1).sum(1)
        uphill = uphill + (intercepts_gradient * intercepts_moved).flatten(1).sum(1)
        momentum = torch.where(uphill[:, None, None] > 0, 1.0, momentum)
        next_momentum = 0.5 * (1.0 + (1.0 + 4.0 * momentum.square()).sqrt())
        inertia = (momentum - 1.0) / next_momentum
        weights_ahead = weights_after + inertia * weights_moved
        intercepts_ahead = intercepts_after + inertia * intercepts_moved
        weights, intercepts, momentum = weights_after, intercepts_after, next_momentum
    return weights, intercepts
