"""Datasets as tensors, and their splits into training, validation and test parts."""

from __future__ import annotations

from trainables.datasets.faults import DatasetError, MissingFilesError
from trainables.datasets.registry import DATASETS, load_vectors
from trainables.datasets.splits import Dataset, Split, epoch_samples, make_dataset, split_dataset

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetError",
    "MissingFilesError",
    "Split",
    "epoch_samples",
    "load_vectors",
    "make_dataset",
    "split_dataset",
]
