"""Datasets as tensors, and their splits into training, validation and test parts."""

from __future__ import annotations

from trainables.datasets.registry import DATASETS, load_dataset
from trainables.datasets.splits import Dataset, Split, split_dataset

__all__ = ["DATASETS", "Dataset", "Split", "load_dataset", "split_dataset"]
