"""Metrics of embeddings, batched over members; each takes [K, N, D] and gives [K]."""

from __future__ import annotations

from torch import Tensor

from trainables.evaluation.classification import LinearProbe, knn_accuracy
from trainables.evaluation.retrieval import retrieval_metrics
from trainables.evaluation.variance import variance_metrics

__all__ = ["LinearProbe", "evaluate", "knn_accuracy", "retrieval_metrics", "variance_metrics"]


def evaluate(embeddings: Tensor, labels: Tensor, references: Tensor, reference_labels: Tensor) -> dict[str, Tensor]:
    """All metrics of one part's embeddings but the linear probe's.

    Args:
        embeddings: [K, N, D] of the validation or the test part.
        labels: [K, N].
        references: [K, M, D] training embeddings, for the nearest neighbours.
        reference_labels: [K, M].
    """
    return {
        **variance_metrics(embeddings, labels),
        **retrieval_metrics(embeddings, labels),
        "knn_accuracy": knn_accuracy(embeddings, labels, references, reference_labels),
    }
