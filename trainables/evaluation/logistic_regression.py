"""Multinomial logistic regression for all members of a pack at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

_MEMORY = 10  # pairs of steps and changes of the gradient that L-BFGS keeps
_MOST_ITERATIONS = 200
_MOST_HALVINGS = 10  # of a step
_DECREASE = 1e-4  # of the objective, in shares of what its slope promises (Armijo)
_ROUNDING = 1e-6  # of the objective: near the minimum it falls by less


class _Fit(NamedTuple):
    """Members that are being fitted. All tensors begin with the members, K."""

    features: Tensor  # [K, N, D + 1], the last one is 1
    labels: Tensor  # [K, 1, N]
    bound: Tensor  # [K, D + 1, D + 1], inverse of a bound of the Hessian of each class
    weights: Tensor  # [K, C, D + 1]
    logits: Tensor  # [K, C, N]
    objective: Tensor  # [K]
    gradient: Tensor  # [K, C, D + 1]
    moves: Tensor  # [K], whether the last step made the objective fall
    steps: tuple[Tensor, ...] = ()  # [K, C, D + 1] each, the latest last
    changes: tuple[Tensor, ...] = ()  # of the gradient
    curvatures: tuple[Tensor, ...] = ()  # [K] each, 1 / (step . change); 0 takes no part


def fit_multinomial(features: Tensor, labels: Tensor, classes: int, tolerance: float = 1e-5) -> tuple[Tensor, Tensor]:
    """The weights that minimise the sum of the cross entropies plus half the squared norm of the weights.

    The objective is that of scikit-learn's ``LogisticRegression(C=1)``; intercepts are not penalised. L-BFGS (Nocedal
    1980) minimises it. Its first guess of the Hessian is Boehning's bound ("Multinomial logistic regression algorithm",
    1992), X'X / 2 for each class, so that few iterations are needed. Each member stops by its own gradient.

    Args:
        features: [K, N, D], centred.
        labels: [K, N] below `classes`.
        classes: C.
        tolerance: A member is done when no entry of its gradient is above this times N.

    Returns:
        Weights [K, C, D] and intercepts [K, C, 1]. A member with a feature that is not finite keeps zeros.
    """
    members, samples, dim = features.shape
    found = features.new_zeros(members, classes, dim + 1)
    fit, left = _start(features, labels, classes), torch.arange(members, device=features.device)
    for _ in range(_MOST_ITERATIONS):
        # Never where it is not a number.
        going = fit.moves & (fit.gradient.flatten(1).abs().amax(1) > tolerance * samples)
        if not going.all():
            found[left[~going]] = fit.weights[~going]
            fit, left = _of_members(fit, going), left[going]
        if not len(left):
            break
        fit = _iterate(fit)
    found[left] = fit.weights
    return found[:, :, :dim], found[:, :, dim:]


def _start(features: Tensor, labels: Tensor, classes: int) -> _Fit:
    members, samples, dim = features.shape
    bound = features.new_zeros(members, dim + 1, dim + 1)
    bound[:, :dim, :dim] = torch.stack([_inverse_bound(own.double()) for own in features])
    bound[:, dim, dim] = 2.0 / samples  # no term between weights and intercepts: the features are centred
    with_one = torch.cat([features, features.new_ones(members, samples, 1)], 2)
    weights = features.new_zeros(members, classes, dim + 1)
    logits = torch.bmm(weights, with_one.transpose(1, 2))
    columns = labels.unsqueeze(1)
    gradient = _gradient(weights, logits, columns, with_one)
    objective, moves = _objective(weights, logits, columns), torch.ones_like(labels[:, 0], dtype=torch.bool)
    return _Fit(with_one, columns, bound, weights, logits, objective, gradient, moves)


def _inverse_bound(features: Tensor) -> Tensor:
    """Inverse [D, D] of the bound of one member's Hessian from its features [N, D].

    By itself: products in double precision round by where in memory a matrix begins, so among others it would differ.
    """
    identity = torch.eye(features.shape[1], dtype=features.dtype, device=features.device)
    factor, failed = torch.linalg.cholesky_ex(0.5 * features.T @ features + identity)
    usable = (failed == 0) & factor.isfinite().all()
    return torch.cholesky_inverse(torch.where(usable, factor, identity))


def _iterate(fit: _Fit) -> _Fit:
    """One step of each member along its direction, halved until the objective falls enough."""
    direction = _direction(fit)
    slope = _dot(direction, fit.gradient)
    along = torch.bmm(direction, fit.features.transpose(1, 2))
    size = torch.ones_like(slope)
    for halvings in range(_MOST_HALVINGS + 1):
        weights = fit.weights + size[:, None, None] * direction
        logits = fit.logits + size[:, None, None] * along
        objective = _objective(weights, logits, fit.labels)
        enough = objective <= fit.objective * (1.0 + _ROUNDING) + _DECREASE * size * slope
        if halvings == _MOST_HALVINGS or enough.all():
            break
        size = torch.where(enough, size, 0.5 * size)
    gradient = _gradient(weights, logits, fit.labels, fit.features)
    step, change = weights - fit.weights, gradient - fit.gradient
    curved = _dot(step, change)
    curvature = torch.where(curved > 0, 1.0 / curved, 0.0)
    return fit._replace(
        weights=weights,
        logits=logits,
        objective=objective,
        gradient=gradient,
        moves=enough,
        steps=(*fit.steps, step)[-_MEMORY:],
        changes=(*fit.changes, change)[-_MEMORY:],
        curvatures=(*fit.curvatures, curvature)[-_MEMORY:],
    )


def _direction(fit: _Fit) -> Tensor:
    """The direction [K, C, D + 1] of L-BFGS (Nocedal and Wright, "Numerical optimization", algorithm 7.4)."""
    result = -fit.gradient
    shares = []
    for step, change, curvature in zip(
        reversed(fit.steps), reversed(fit.changes), reversed(fit.curvatures), strict=True
    ):
        shares.append(curvature * _dot(step, result))
        result = result - shares[-1][:, None, None] * change
    result = torch.bmm(result, fit.bound)
    if fit.steps:
        scaled = torch.bmm(fit.changes[-1], fit.bound)
        length = fit.curvatures[-1] * _dot(fit.changes[-1], scaled)  # of the last change against its step
        result = result * torch.where(length > 0, 1.0 / length, 1.0)[:, None, None]
    for step, change, curvature, share in zip(fit.steps, fit.changes, fit.curvatures, reversed(shares), strict=True):
        result = result + (share - curvature * _dot(change, result))[:, None, None] * step
    return result


def _objective(weights: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    entropies = logits.logsumexp(1) - logits.gather(1, labels).squeeze(1)
    return entropies.sum(1) + 0.5 * weights[:, :, :-1].square().flatten(1).sum(1)


def _gradient(weights: Tensor, logits: Tensor, labels: Tensor, features: Tensor) -> Tensor:
    residual = logits.softmax(1)
    residual.scatter_add_(1, labels, residual.new_full((), -1.0).expand(labels.shape))
    gradient = torch.bmm(residual, features)
    gradient[:, :, :-1] += weights[:, :, :-1]
    return gradient


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).flatten(1).sum(1)


def _of_members(fit: _Fit, members: Tensor) -> _Fit:
    """The part of some members [K] bool."""
    *tensors, steps, changes, curvatures = fit
    kept: list[Any] = [each[members] for each in tensors]  # type: ignore[index]
    return _Fit(*kept, *(tuple(each[members] for each in pairs) for pairs in (steps, changes, curvatures)))
