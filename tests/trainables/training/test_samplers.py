from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.training.samplers import epoch_batches, pk_batches, shuffled_batches


def labels_of(seed: int, size: int, classes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, classes, (size,), generator=generator)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 200), st.integers(2, 64))
def test_a_shuffled_epoch_has_no_sample_twice(seed: int, size: int, batch_size: int) -> None:
    positions = shuffled_batches(labels_of(seed, size, 5), batch_size, torch.Generator().manual_seed(seed))
    assert positions.shape[1] == min(size, batch_size)
    assert len(positions.flatten().unique()) == positions.numel()
    assert size - positions.numel() < positions.shape[1]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 200), st.integers(1, 30), st.integers(2, 5))
def test_pk_batches_hold_p_classes_with_k_samples_each(seed: int, size: int, classes: int, each: int) -> None:
    labels = labels_of(seed, size, classes)
    positions = pk_batches(labels, 32, each, torch.Generator().manual_seed(seed))
    present = len(labels.unique())
    for batch in labels[positions]:
        _, counts = batch.unique(return_counts=True)
        assert len(counts) == min(present, 32 // each)
        assert len(counts.unique()) == 1
        assert present <= 32 // each or int(counts[0]) == each


def test_pk_uses_all_samples_of_a_class_before_one_comes_again() -> None:
    labels = torch.arange(4).repeat_interleave(12)
    positions = pk_batches(labels, 16, 4, torch.Generator().manual_seed(0))
    assert positions.shape == (3, 16)
    assert len(positions.flatten().unique()) == 48


def test_an_epoch_longer_than_the_data_holds_no_sample_twice_in_a_batch() -> None:
    positions = shuffled_batches(labels_of(0, 50, 5), 16, torch.Generator().manual_seed(0), samples=70)
    assert positions.shape == (4, 16)
    assert all(len(batch.unique()) == 16 for batch in positions)
    assert shuffled_batches(labels_of(0, 50, 5), 64, torch.Generator().manual_seed(0), samples=70).shape == (1, 50)


def test_batches_depend_on_the_random_stream() -> None:
    labels = labels_of(0, 100, 4)
    for sampler in ("shuffle", "pk"):
        first, again, other = (
            epoch_batches(sampler, labels, 16, 4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
