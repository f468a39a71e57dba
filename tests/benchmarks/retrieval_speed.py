"""Retrieval metrics, beside pytorch-metric-learning with faiss-cpu, on one core: a pack has no more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from tests.benchmarks.figures import Figure, in_turn
from trainables.evaluation.retrieval import retrieval_metrics

SIZES = ((10_000, 100), (10_000, 10), (2_000, 10))  # samples and classes
DIM = 128
PEER = "pytorch-metric-learning with faiss-cpu"


def clusters(samples: int, classes: int) -> tuple[Tensor, Tensor]:
    """Embeddings [N, D] that overlap, and their labels [N]."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (samples,), generator=stream)
    centres = 0.3 * torch.randn(classes, DIM, generator=stream)
    return torch.randn(samples, DIM, generator=stream) + centres[labels], labels


def peer_of(embeddings: Tensor, labels: Tensor) -> Callable[[], tuple[float, float]]:
    """Recall@1 and MAP@R as the peer computes them, with exact search.

    Raises:
        ImportError: If it is not installed.
    """
    import faiss
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import FaissKNN

    faiss.omp_set_num_threads(1)
    names = ("precision_at_1", "mean_average_precision_at_r")
    calculator = AccuracyCalculator(
        include=names,
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=FaissKNN(reset_before=True, reset_after=True),
    )

    def metrics() -> tuple[float, float]:
        found = calculator.get_accuracy(embeddings, labels)
        return float(found[names[0]]), float(found[names[1]])

    return metrics


def retrieval_figures(repeats: int) -> list[Figure]:
    """Times of each size, with the products of the distances alone as what cannot be done without."""
    figures = []
    for samples, classes in SIZES:
        embeddings, labels = clusters(samples, classes)
        ways: dict[str, Callable[[], object]] = {
            "this project": partial(retrieval_metrics, embeddings.unsqueeze(0), labels.unsqueeze(0))
        }
        try:
            ways[PEER] = peer_of(embeddings, labels)
        except ImportError as error:
            print(f"without {PEER}: {error}; `pip install -e .[test]` brings it")
        ways["the products of all distances alone"] = partial(torch.mm, embeddings, embeddings.T)
        what = f"Recall@K and MAP@R of {samples:,} x {DIM}, {classes} classes, one core"
        figures.append(Figure(what, in_turn(ways, repeats)))
    return figures
