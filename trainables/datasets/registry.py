"""The datasets by name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from trainables.datasets.splits import Dataset, make_dataset, stratified
from trainables.datasets.synthetic import SyntheticOptions, make_clusters
from trainables.streams import stream

TEST_SHARE = 0.2  # where there is no official test part


def load_dataset(name: str, synthetic: SyntheticOptions | None = None) -> Dataset:
    """Loads a dataset by its name in `DATASETS`; `synthetic` shapes the dataset of that name."""
    return DATASETS[name](synthetic or SyntheticOptions())


def _synthetic(options: SyntheticOptions) -> Dataset:
    inputs, labels = make_clusters(options, stream("synthetic", None, "data"))
    return _with_random_test("synthetic", inputs, labels)


def _digits(options: SyntheticOptions) -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    inputs = torch.as_tensor(bunch.data, dtype=torch.float32) / 16.0
    return _with_random_test("digits", inputs, torch.as_tensor(bunch.target, dtype=torch.int64))


def _with_random_test(name: str, inputs: torch.Tensor, labels: torch.Tensor) -> Dataset:
    test, _ = stratified(labels, TEST_SHARE, stream(name, None, "test"))
    return make_dataset(name, inputs, labels, test)


DATASETS: dict[str, Callable[[SyntheticOptions], Dataset]] = {"synthetic": _synthetic, "digits": _digits}
