"""All metrics of one part of a dataset, except that of the linear probe."""

from __future__ import annotations

from torch import Tensor

from trainables.evaluation.classification import knn_accuracy
from trainables.evaluation.retrieval import retrieval_metrics
from trainables.evaluation.variance import variance_metrics


def evaluate(embeddings: Tensor, labels: Tensor, references: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
    """Variances, retrieval metrics and the accuracy of nearest neighbours; each [K].

    Args:
        embeddings: [K, N, D] of the validation or the test part.
        labels: [K, N].
        references: Training embeddings [K, M, D] and labels [K, M], for the nearest neighbours. None takes the other
            samples of the part, as needed where training had other classes.
    """
    return {
        **variance_metrics(embeddings, labels),
        **retrieval_metrics(embeddings, labels),
        "knn_accuracy": knn_accuracy(embeddings, labels, references),
    }
