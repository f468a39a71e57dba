from __future__ import annotations

import torch
from sklearn.decomposition import PCA

from trainables.evaluation.sketch import CLASSES, SAMPLES, sketch


def test_a_sketch_holds_the_two_principal_components_of_the_first_classes() -> None:
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 2 * CLASSES, (400,), generator=draw)
    embeddings = torch.randn(400, 6, generator=draw) * torch.arange(1.0, 7.0)
    points, shown = sketch(embeddings, labels)
    assert torch.equal(shown, labels[labels < CLASSES])
    assert len(shown) < SAMPLES
    expected = torch.from_numpy(PCA(2).fit_transform(embeddings[labels < CLASSES].double().numpy()))
    assert torch.allclose(points.abs(), expected.abs())
    assert (points.gather(0, points.abs().argmax(0, keepdim=True)) > 0).all()


def test_a_sketch_of_many_samples_shows_some_spread_evenly() -> None:
    labels = torch.arange(4 * SAMPLES) // SAMPLES
    points, shown = sketch(torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(1)), labels)
    assert points.shape == (SAMPLES, 2)
    assert torch.equal(shown.bincount(), torch.full((4,), SAMPLES // 4))


def test_embeddings_that_are_not_finite_give_no_finite_coordinates() -> None:
    points, _ = sketch(torch.full((5, 3), torch.inf), torch.zeros(5, dtype=torch.int64))
    assert not points.isfinite().any()
