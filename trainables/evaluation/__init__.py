"""Metrics of embeddings, batched over members; each takes [K, N, D] and gives [K]."""

from __future__ import annotations

from torch import Tensor

from trainables.evaluation.classification import LinearProbe, knn_accuracy, linear_accuracy_within
from trainables.evaluation.retrieval import retrieval_metrics
from trainables.evaluation.sketch import sketch
from trainables.evaluation.variance import variance_metrics

__all__ = [
    "LinearProbe",
    "evaluate",
    "knn_accuracy",
    "linear_accuracy_within",
    "retrieval_metrics",
    "sketch",
    "variance_metrics",
]


def evaluate(embeddings: Tensor, labels: Tensor, references: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
    """All metrics of one part's embeddings but the linear probe's.

    Args:
        embeddings: [K, N, D] of the validation or the test part.
        labels: [K, N].
        references: Training embeddings [K, M, D] and labels [K, M], for the nearest neighbours; None where the part's
            classes are its own, and every sample's neighbours are the part's others.
    """
    return {
        **variance_metrics(embeddings, labels),
        **retrieval_metrics(embeddings, labels),
        "knn_accuracy": knn_accuracy(embeddings, labels, references),
    }
