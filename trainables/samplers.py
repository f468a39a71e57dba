"""Batches of one epoch for one member, as a function of its labels and a random stream."""

from __future__ import annotations

import torch
from torch import Tensor


def shuffled_batches(labels: Tensor, batch_size: int, generator: torch.Generator, samples: int | None = None) -> Tensor:
    """A random permutation cut into full batches; the incomplete last one is left out.

    Args:
        labels: [N] training labels.
        batch_size: B; where an epoch has fewer samples than that, its one batch holds them all.
        generator: Where the permutation is drawn from.
        samples: Samples of an epoch, N if not given; where they are more, batches of a second permutation follow those
            of the first. No batch holds a sample twice.

    Returns:
        [steps, B] positions in `labels`.
    """
    samples = samples or len(labels)
    size = min(batch_size, samples, len(labels))
    steps, of_one = samples // size, len(labels) // size
    rounds = [torch.randperm(len(labels), generator=generator) for _ in range(-(-steps // of_one))]
    return torch.cat([order[: of_one * size].view(of_one, size) for order in rounds])[:steps]


def pk_batches(
    labels: Tensor, batch_size: int, samples_per_class: int, generator: torch.Generator, samples: int | None = None
) -> Tensor:
    """P x K batches: P classes at random, K samples of each.

    P is ``batch_size // samples_per_class``; with fewer classes than that, all take part with more samples each. The
    samples of a class are used up in random order before any comes again.

    Args:
        labels: [N] training labels.
        batch_size: The largest batch; P x K is at most this.
        samples_per_class: K.
        generator: Where classes and samples are drawn from.
        samples: Samples of an epoch, N if not given.

    Returns:
        [steps, P * K] positions in `labels`, with about as many positions as an epoch has samples.
    """
    _, compact, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    classes = len(counts)
    chosen_classes = min(classes, max(batch_size // samples_per_class, 1))
    each = batch_size // chosen_classes if chosen_classes == classes else samples_per_class
    steps = max((samples or len(labels)) // (chosen_classes * each), 1)

    shuffled = torch.randperm(len(labels), generator=generator)
    by_class = shuffled[torch.sort(compact[shuffled], stable=True).indices]
    first = counts.cumsum(0) - counts

    chosen = torch.rand(steps, classes, generator=generator).argsort(1)[:, :chosen_classes]
    present = torch.zeros(steps, classes, dtype=torch.int64).scatter_(1, chosen, 1)
    earlier_visits = (present.cumsum(0) - present).gather(1, chosen)
    offsets = earlier_visits.unsqueeze(2) * each + torch.arange(each)
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
    """The batches of one epoch, [steps, B], by the sampler's name (``"shuffle"`` or ``"pk"``)."""
    if sampler == "shuffle":
        return shuffled_batches(labels, batch_size, generator, samples)
    if sampler == "pk":
        return pk_batches(labels, batch_size, samples_per_class, generator, samples)
    raise ValueError(f"unknown sampler {sampler!r}; choose shuffle or pk")


SAMPLERS = ("shuffle", "pk")
