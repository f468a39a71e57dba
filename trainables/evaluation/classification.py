"""The accuracy of classifiers on embeddings: k nearest neighbours, and a linear probe."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.evaluation.chunks import Chunk, distance_chunks
from trainables.evaluation.logistic_regression import fit_multinomial
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
    embeddings, labels = references or (None, query_labels)
    chunks = distance_chunks(queries, embeddings)
    return share_right([votes_right(chunk, query_labels, labels, neighbours) for chunk in chunks], query_labels)


def votes_right(chunk: Chunk, query_labels: Tensor, labels: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """Whether the nearest references vote for the label of a query, [k, q] bool.

    Args:
        chunk: The distances of some queries to all references.
        query_labels: [K, Q] from 0.
        labels: Of the references, [K, N] from 0.
        neighbours: See `knn_accuracy`.
    """
    nearest = smallest_columns(chunk.distances, min(neighbours, chunk.choices))
    neighbour_labels = labels[chunk.members].unsqueeze(1).expand(-1, nearest.shape[1], -1).gather(2, nearest)
    votes = torch.nn.functional.one_hot(neighbour_labels, int(labels.max()) + 1).sum(2)
    return votes.argmax(2) == query_labels[chunk.members, chunk.queries]


def share_right(votes_of_chunks: list[Tensor], query_labels: Tensor) -> Tensor:
    """The share of `votes_right`, [K] float64, over the queries of all chunks in their order."""
    return torch.cat([votes.flatten() for votes in votes_of_chunks]).view(query_labels.shape).double().mean(1)


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

    It is scikit-learn's ``LogisticRegression(C=1)`` after a ``StandardScaler``.
    """

    def __init__(self, embeddings: Tensor, labels: Tensor, classes: int | None = None) -> None:
        """Fits on embeddings [K, N, D] with labels [K, N] below `classes`, by default one more than the largest."""
        self._mean = embeddings.mean(1, keepdim=True)
        deviation = (embeddings - self._mean).square().mean(1, keepdim=True).sqrt()
        self._scale = torch.where(deviation > 0, deviation, 1.0)
        classes = classes or int(labels.max()) + 1
        self._weights, self._intercepts = fit_multinomial(self._features(embeddings), labels, classes)

    def accuracy(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The share [K] float64 of embeddings [K, N, D] that get their label [K, N]."""
        logits = torch.baddbmm(self._intercepts, self._weights, self._features(embeddings).transpose(1, 2))
        return (logits.argmax(1) == labels).double().mean(1)

    def _features(self, embeddings: Tensor) -> Tensor:
        return (embeddings - self._mean) / self._scale
