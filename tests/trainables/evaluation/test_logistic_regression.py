from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from trainables.evaluation.logistic_regression import fit_multinomial


def data(members: int, samples: int = 90, classes: int = 4, dim: int = 6, apart: float = 1.0) -> tuple[Tensor, Tensor]:
    """Noisy clusters, whose members differ in how noisy they are."""
    generator = torch.Generator().manual_seed(members)
    labels = torch.arange(samples).remainder(classes).expand(members, -1)
    centres = apart * torch.randn(members, classes, dim, generator=generator)
    noise = torch.randn(members, samples, dim, generator=generator) * torch.linspace(0.3, 3, members)[:, None, None]
    features = centres.gather(1, labels.unsqueeze(2).expand(-1, -1, dim)) + noise
    features = features - features.mean(1, keepdim=True)
    return features / features.square().mean(1, keepdim=True).sqrt(), labels


def objective(features: Tensor, labels: Tensor, weights: Tensor, intercepts: Tensor) -> Tensor:
    logits = torch.baddbmm(intercepts.double(), weights.double(), features.double().transpose(1, 2))
    entropies = torch.nn.functional.cross_entropy(logits, labels, reduction="none").sum(1)
    return entropies + 0.5 * weights.double().square().flatten(1).sum(1)


@pytest.mark.parametrize(("samples", "classes", "dim"), [(90, 4, 6), (60, 30, 12), (40, 2, 60)])
def test_the_fit_is_that_of_scikit_learn(samples: int, classes: int, dim: int) -> None:
    features, labels = data(3, samples, classes, dim)
    weights, intercepts = fit_multinomial(features, labels, classes)
    for member in range(3):
        x, y = features[member].double().numpy(), labels[member].numpy()
        # Of two classes scikit-learn penalises one vector, the difference of ours.
        model = LogisticRegression(C=1.0 if classes > 2 else 2.0, max_iter=10_000, tol=1e-10).fit(x, y)
        expected = model.predict_log_proba(x)
        logits = weights[member].double() @ features[member].double().T + intercepts[member].double()
        assert logits.softmax(0).T.numpy() == pytest.approx(np.exp(expected), abs=1e-3)
        if classes > 2:
            best = objective(
                features[member : member + 1],
                labels[member : member + 1],
                torch.as_tensor(model.coef_)[None],
                torch.as_tensor(model.intercept_)[None, :, None],
            )
            ours = objective(features, labels, weights, intercepts)[member]
            assert float(ours) == pytest.approx(float(best), rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    members=st.integers(1, 4), classes=st.integers(2, 6), dim=st.integers(1, 8), apart=st.sampled_from([0.0, 1.0, 30.0])
)
def test_no_entry_of_the_gradient_is_left(members: int, classes: int, dim: int, apart: float) -> None:
    features, labels = data(members, 60, classes, dim, apart)
    weights, intercepts = (each.double().requires_grad_() for each in fit_multinomial(features, labels, classes))
    gradients = torch.autograd.grad(objective(features, labels, weights, intercepts).sum(), [weights, intercepts])
    assert all(float(gradient.abs().amax()) < 2e-5 * 60 + 1e-3 for gradient in gradients)


def test_a_member_is_fitted_alike_in_packs_of_1_to_33() -> None:
    """Though others need more iterations, and some have nothing that could be fitted."""
    torch.set_num_threads(1)
    features, labels = data(33, 120, 10, 32)
    features[5] = torch.nan
    features[7] = 0.0
    weights, intercepts = fit_multinomial(features, labels, 10)
    for members in ([0], [7], [16], [32], range(3, 20), range(28, 33)):
        own = list(members)
        alone, alone_intercepts = fit_multinomial(features[own], labels[own], 10)
        assert torch.equal(alone, weights[own])
        assert torch.equal(alone_intercepts, intercepts[own])
    assert weights[[5, 7]].abs().amax() == 0
    assert np.isfinite(weights.numpy()).all()
