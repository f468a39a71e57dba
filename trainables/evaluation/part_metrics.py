"""The metrics of one part of a dataset, except that of the linear probe."""

from __future__ import annotations

from torch import Tensor

from trainables.evaluation.chunks import distance_chunks
from trainables.evaluation.classification import knn_accuracy, share_right, votes_right
from trainables.evaluation.retrieval import averaged, others_of_class, retrieval_metrics, retrieval_scores
from trainables.evaluation.variance import variance_metrics


def validation_metrics(embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """MAP@R [K] alone, of embeddings [K, N, D] with labels [K, N]."""
    return {"map_at_r": retrieval_metrics(embeddings, labels)["map_at_r"]}


def curve_metrics(embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Variances and retrieval metrics, each [K], of embeddings [K, N, D] with labels [K, N]."""
    return {**variance_metrics(embeddings, labels), **retrieval_metrics(embeddings, labels)}


def all_metrics(embeddings: Tensor, labels: Tensor, references: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
    """Variances, retrieval metrics and the accuracy of nearest neighbours; each [K].

    Args:
        embeddings: [K, N, D] of the validation or the test part.
        labels: [K, N].
        references: Training embeddings [K, M, D] and labels [K, M], for the nearest neighbours. None takes the other
            samples of the part, as needed where training had other classes.
    """
    if references:
        return {**curve_metrics(embeddings, labels), "knn_accuracy": knn_accuracy(embeddings, labels, references)}
    # Both look for the nearest among the same samples.
    relevant = others_of_class(labels)
    scores, votes = [], []
    for chunk in distance_chunks(embeddings):
        scores.append(retrieval_scores(chunk, labels, relevant))
        votes.append(votes_right(chunk, labels, labels))
    return {
        **variance_metrics(embeddings, labels),
        **averaged(scores, labels),
        "knn_accuracy": share_right(votes, labels),
    }
