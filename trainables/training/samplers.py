"""The batches of one epoch for one member, from its labels and a random stream."""

from __future__ import annotations

import torch
from torch import Tensor


def shuffled_batches(labels: Tensor, batch_size: int, generator: torch.Generator, samples: int | None = None) -> Tensor:
    """Cuts a random permutation into full batches; an incomplete last batch is left out.

    Args:
        labels: [N] training labels.
        batch_size: B. If an epoch has fewer samples, it is one batch of all samples.
        generator: The random stream.
        samples: Samples of an epoch, by default N. If they are more than N, the batches of a second permutation follow.
            No batch has a sample twice.

    Returns:
        [steps, B] positions in `labels`.
    """
    samples = samples or len(labels)
    size = min(batch_size, samples, len(labels))
    steps, steps_each = samples // size, len(labels) // size
    permutations = [torch.randperm(len(labels), generator=generator) for _ in range(-(-steps // steps_each))]
    return torch.cat([positions[: steps_each * size].view(steps_each, size) for positions in permutations])[:steps]


def pk_batches(
    labels: Tensor, batch_size: int, samples_per_class: int, generator: torch.Generator, samples: int | None = None
) -> Tensor:
    """P x K batches: P random classes, K samples of each.

    P is ``batch_size // samples_per_class``. If there are fewer than P classes, a batch has all of them, with more
    samples each. The samples of a class come in random order, and none comes again before all were used.

    Args:
        labels: [N] training labels.
        batch_size: P x K is at most this.
        samples_per_class: K.
        generator: The random stream.
        samples: Samples of an epoch, by default N.

    Returns:
        [steps, P * K] positions in `labels`; together about as many as `samples`.
    """
    _, compact, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    classes = len(counts)
    batch_classes = min(classes, max(batch_size // samples_per_class, 1))
    per_class = batch_size // batch_classes if batch_classes == classes else samples_per_class
    steps = max((samples or len(labels)) // (batch_classes * per_class), 1)

    shuffled = torch.randperm(len(labels), generator=generator)
    by_class = shuffled[torch.sort(compact[shuffled], stable=True).indices]
    first = counts.cumsum(0) - counts

    chosen = torch.rand(steps, classes, generator=generator).argsort(1)[:, :batch_classes]
    present = torch.zeros(steps, classes, dtype=torch.int64).scatter_(1, chosen, 1)
    earlier_visits = (present.cumsum(0) - present).gather(1, chosen)
    offsets = earlier_visits.unsqueeze(2) * per_class + torch.arange(per_class)
    positions = first[chosen].unsqueeze(2) + offsets % counts[chosen].unsqueeze(2)
    return by_class[positions].flatten(1)


def epoch_batches(
    sampler: str,
    labels: Tensor,
    batch_size: int,
    samples_per_class: int,
    generator: torch.Generator,
    samples: int | None = None,
) -> Tensor:
    """The batches of one epoch, [steps, B], by the name of the sampler.

    Raises:
        ValueError: If the sampler is not one of `SAMPLERS`.
    """
    if sampler == "shuffle":
        return shuffled_batches(labels, batch_size, generator, samples)
    if sampler == "pk":
        return pk_batches(labels, batch_size, samples_per_class, generator, samples)
    raise ValueError(f"unknown sampler {sampler!r}; choose shuffle or pk")


SAMPLERS = ("shuffle", "pk")
