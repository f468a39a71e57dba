"""The datasets by name: where each comes from and how it is read unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from trainables.datasets.faults import MissingFilesError
from trainables.datasets.image_files import list_image_folder
from trainables.datasets.listing import ImageListing
from trainables.datasets.official import list_official
from trainables.datasets.splits import Dataset, make_dataset
from trainables.datasets.synthetic import SyntheticOptions, make_clusters
from trainables.streams import stream

FOLDER = "folder:"
DIGITS_CLASSES, DIGITS_SAMPLES, DIGITS_DIM = 10, 1797, 64


@dataclass(frozen=True)
class Kind:
    """What is known of a dataset by its name.

    Attributes:
        encoders: How it is read where nothing else is asked for: one reading for each.
        split: The split where nothing else is asked for.
        either_split: Whether another one may be asked for.
        channels: Of its images; 0 for vectors.
        side: Of its images in pixels when they are read by a network of ours; None where it may be chosen.
        flips: Whether a mirrored image is of the same class.
    """

    encoders: tuple[str, ...]
    split: str = "closed"
    either_split: bool = False
    channels: int = 3
    side: int | None = None
    flips: bool = True


KINDS: dict[str, Kind] = {
    "synthetic": Kind(("mlp",), channels=0, flips=False),
    "digits": Kind(("mlp",), channels=0, flips=False),
    "mnist": Kind(("cnn",), channels=1, side=28, flips=False),
    "cifar10": Kind(("cnn", "vit_b_32"), side=32),
    "cub200": Kind(("vit_b_32",), "disjoint", either_split=True),
    "cars196": Kind(("vit_b_32",), "disjoint", either_split=True),
}
FOLDER_KIND = Kind(("vit_b_32",), either_split=True)
DATASETS = tuple(KINDS)


def kind_of(name: str) -> Kind:
    """The kind of a dataset of `DATASETS`, or of an image folder."""
    return FOLDER_KIND if name.startswith(FOLDER) else KINDS[name]


def study_name(dataset: str) -> str:
    """What a dataset is called in a study: ``folder:birds`` for ``folder:/data/birds``, else its name.

    Splits and batches are drawn from streams of that name, so that a folder may be moved.
    """
    return f"{FOLDER}{folder_of(dataset).name}" if dataset.startswith(FOLDER) else dataset


def folder_of(dataset: str) -> Path:
    """The path that ``folder:PATH`` names."""
    return Path(dataset.removeprefix(FOLDER)).expanduser().absolute()


def list_images(dataset: str, root: Path) -> ImageListing:
    """The listing of an image dataset.

    Args:
        dataset: One of `DATASETS`, or ``folder:PATH``.
        root: Where the datasets stand that have no path of their own.

    Raises:
        MissingFilesError: If it is not there.
        DatasetError: If it is not as it should be.
    """
    if not dataset.startswith(FOLDER):
        return list_official(dataset, root)
    folder = folder_of(dataset)
    if not folder.is_dir():
        raise MissingFilesError(study_name(dataset), f"the folder {folder}", "give the path of an existing folder")
    return list_image_folder(folder)


def vector_shape(name: str, options: SyntheticOptions) -> tuple[int, int, int]:
    """Samples, classes and dimension of a dataset of vectors, without making it."""
    if name == "digits":
        return DIGITS_SAMPLES, DIGITS_CLASSES, DIGITS_DIM
    return options.classes * options.samples_per_class, options.classes, options.dim


def load_vectors(name: str, options: SyntheticOptions | None = None) -> Dataset:
    """A dataset of vectors, ``synthetic`` or ``digits``; `options` shape the first."""
    inputs, labels = _VECTORS[name](options or SyntheticOptions())
    return make_dataset(name, inputs, labels, "closed")


def _synthetic(options: SyntheticOptions) -> tuple[torch.Tensor, torch.Tensor]:
    return make_clusters(options, stream("synthetic", None, "data"))


def _digits(options: SyntheticOptions) -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    inputs = torch.as_tensor(bunch.data, dtype=torch.float32) / 16.0
    return inputs, torch.as_tensor(bunch.target, dtype=torch.int64)


_VECTORS: dict[str, Callable[[SyntheticOptions], tuple[torch.Tensor, torch.Tensor]]] = {
    "synthetic": _synthetic,
    "digits": _digits,
}
