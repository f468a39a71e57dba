from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from tests.trainables.batches import batches
from trainables.evaluation.chunks import member_chunks
from trainables.evaluation.classification import LinearProbe, knn_accuracy, linear_accuracy_within
from trainables.evaluation.part_metrics import all_metrics
from trainables.evaluation.retrieval import retrieval_metrics
from trainables.evaluation.variance import variance_metrics


def naive_retrieval(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    scores: dict[str, list[float]] = {"recall_at_1": [], "recall_at_4": [], "map_at_r": []}
    for q in range(len(labels)):
        others = [i for i in range(len(labels)) if i != q]
        relevant = sum(labels[i] == labels[q] for i in others)
        if not relevant:
            continue
        ranked = sorted(others, key=lambda i, q=q: (float(((embeddings[i] - embeddings[q]) ** 2).sum()), i))  # type: ignore[misc]
        hits = [labels[i] == labels[q] for i in ranked]
        scores["recall_at_1"].append(float(any(hits[:1])))
        scores["recall_at_4"].append(float(any(hits[:4])))
        precisions = [sum(hits[: i + 1]) / (i + 1) for i in range(relevant) if hits[i]]
        scores["map_at_r"].append(sum(precisions) / relevant)
    return {name: float(np.mean(values)) if values else float("nan") for name, values in scores.items()}


@settings(max_examples=60, deadline=None)
@given(batches())
def test_retrieval_equals_naive_loops_on_distinct_distances(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    embeddings, labels, _ = batch
    embeddings = embeddings + torch.linspace(0, 0.1, embeddings.shape[1], dtype=embeddings.dtype)[:, None] ** 2
    distances = torch.cdist(embeddings, embeddings).sort(2).values
    assume(bool((distances.diff(dim=2) > 1e-6).all()))
    ours = retrieval_metrics(embeddings, labels)
    for member in range(len(labels)):
        for name, expected in naive_retrieval(embeddings[member].numpy(), labels[member].numpy()).items():
            assert float(ours[name][member]) == pytest.approx(expected, nan_ok=True)


def test_retrieval_equals_pytorch_metric_learning_on_digits() -> None:
    data = load_digits()
    embeddings = torch.as_tensor(data.data[:400], dtype=torch.float32).unsqueeze(0)
    embeddings += torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(0))
    labels = torch.as_tensor(data.target[:400]).unsqueeze(0)
    calculator = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r"),
        k="max_bin_count",
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False)),
    )
    expected = calculator.get_accuracy(embeddings[0], labels[0])
    ours = retrieval_metrics(embeddings, labels)
    assert float(ours["recall_at_1"][0]) == pytest.approx(expected["precision_at_1"], abs=1e-9)
    assert float(ours["map_at_r"][0]) == pytest.approx(expected["mean_average_precision_at_r"], abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(batches())
def test_variances_equal_their_definitions(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    embeddings, labels, _ = batch
    labels = labels[:1].expand_as(labels)  # every row has the same classes
    ours = variance_metrics(embeddings, labels)
    for member, points in enumerate(embeddings.numpy()):
        groups = [points[labels[member].numpy() == c] for c in np.unique(labels[member])]
        centroids = [group.mean(0) for group in groups]
        intra = np.mean([((group - mu) ** 2).sum(1).mean() for group, mu in zip(groups, centroids, strict=True)])
        assert float(ours["intra_variance"][member]) == pytest.approx(intra, abs=1e-9)
        if len(groups) > 1:
            inter = np.mean([((a - b) ** 2).sum() for a, b in itertools.permutations(centroids, 2)])
            assert float(ours["inter_variance"][member]) == pytest.approx(inter, abs=1e-9)


def test_normalized_variances_and_their_ratio_do_not_depend_on_scale() -> None:
    embeddings = torch.randn(1, 40, 6, generator=torch.Generator().manual_seed(0))
    labels = (torch.arange(40) % 4).unsqueeze(0)
    small, large = variance_metrics(embeddings, labels), variance_metrics(embeddings * 7, labels)
    for name in ("intra_variance_normalized", "inter_variance_normalized", "variance_ratio"):
        assert float(small[name][0]) == pytest.approx(float(large[name][0]), rel=1e-5)
    assert float(large["intra_variance"][0]) == pytest.approx(49 * float(small["intra_variance"][0]), rel=1e-5)


@pytest.fixture(scope="module")
def digits_parts() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    data = load_digits()
    noise = torch.randn(1797, 64, generator=torch.Generator().manual_seed(0))
    inputs = (torch.as_tensor(data.data, dtype=torch.float32) + 3 * noise).unsqueeze(0)
    labels = torch.as_tensor(data.target, dtype=torch.int64).unsqueeze(0)
    return inputs[:, :1200], labels[:, :1200], inputs[:, 1200:], labels[:, 1200:]


def test_knn_accuracy_equals_scikit_learns(digits_parts: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    train, train_labels, test, test_labels = digits_parts
    reference = KNeighborsClassifier(5).fit(train[0].numpy(), train_labels[0].numpy())
    expected = reference.score(test[0].numpy(), test_labels[0].numpy())
    assert float(knn_accuracy(test, test_labels, (train, train_labels))[0]) == pytest.approx(expected, abs=1e-9)


def test_knn_accuracy_without_references_leaves_the_query_out(
    digits_parts: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    _, _, test, test_labels = digits_parts
    embeddings, labels = test[0].numpy(), test_labels[0].numpy()
    neighbours = KNeighborsClassifier(5).fit(embeddings, labels).kneighbors(return_distance=False)  # without itself
    votes = np.array([np.bincount(labels[row], minlength=10).argmax() for row in neighbours])
    assert float(knn_accuracy(test, test_labels)[0]) == pytest.approx(float((votes == labels).mean()), abs=1e-9)


def test_neighbours_that_are_looked_for_once_serve_retrieval_and_voting(
    digits_parts: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    _, _, test, test_labels = digits_parts
    embeddings, labels = torch.cat([test, test.flip(1)]), torch.cat([test_labels, test_labels.flip(1)])
    both = all_metrics(embeddings, labels, None)
    apart = {**retrieval_metrics(embeddings, labels), "knn_accuracy": knn_accuracy(embeddings, labels)}
    assert all(torch.equal(both[name], values) for name, values in apart.items())


def test_linear_accuracy_within_a_part_is_a_two_fold_cross_validation(
    digits_parts: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    _, _, test, test_labels = digits_parts
    embeddings, labels = test[0].numpy(), test_labels[0].numpy()
    order = np.argsort(labels, kind="stable")
    folds = [(order[::2], order[1::2]), (order[1::2], order[::2])]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=5000, tol=1e-8))
    correct = sum(
        float(model.fit(embeddings[fit], labels[fit]).score(embeddings[held], labels[held])) * len(held)
        for fit, held in folds
    )
    ours = float(linear_accuracy_within(test, test_labels)[0])
    assert ours == pytest.approx(correct / len(labels), abs=2.01 / len(labels))


def test_linear_probe_agrees_with_scikit_learns_logistic_regression(
    digits_parts: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    train, train_labels, test, test_labels = digits_parts
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=5000, tol=1e-8))
    reference.fit(train[0].numpy(), train_labels[0].numpy())
    expected = reference.score(test[0].numpy(), test_labels[0].numpy())
    ours = float(LinearProbe(train, train_labels).accuracy(test, test_labels)[0])
    assert ours == pytest.approx(expected, abs=2.01 / test.shape[1])  # two samples
    assert ours > 0.8


def test_linear_probe_survives_a_collapsed_and_a_diverged_member(
    digits_parts: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    train, train_labels, test, test_labels = digits_parts
    stacked = torch.cat([train, torch.zeros_like(train), torch.full_like(train, torch.nan)])
    probe = LinearProbe(stacked, train_labels.expand(3, -1))
    alone = LinearProbe(train, train_labels).accuracy(test, test_labels)
    together = probe.accuracy(test.expand(3, -1, -1), test_labels.expand(3, -1))
    assert float(together[0]) == float(alone[0])
    assert 0 < float(together[1]) < 0.2


def test_chunks_do_not_change_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings, labels = torch.randn(3, 50, 4, generator=generator), torch.arange(50).remainder(5).expand(3, -1)
    expected_metrics = all_metrics(embeddings, labels, (embeddings, labels))
    monkeypatch.setattr("trainables.evaluation.chunks._ELEMENTS", {"cpu": 333})
    monkeypatch.setattr("trainables.evaluation.chunks._FEWEST_QUERIES", 1)
    assert len(list(member_chunks(3, 50, 50, embeddings.device))) > 3
    for name, values in all_metrics(embeddings, labels, (embeddings, labels)).items():
        assert torch.equal(values, expected_metrics[name])
