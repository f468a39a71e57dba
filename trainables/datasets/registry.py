"""The datasets by name: where each comes from, and the defaults for its encoders and split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import torch
from torch import Tensor

from trainables.datasets.errors import MissingFilesError
from trainables.datasets.image_files import list_image_folder
from trainables.datasets.listing import ImageListing
from trainables.datasets.official import list_official
from trainables.datasets.splits import Dataset, make_dataset
from trainables.datasets.synthetic import AnyDataset, ClusterDraws, SyntheticOptions, cluster_draws

FOLDER = "folder:"


@dataclass(frozen=True)
class Vectors:
    """A dataset of vectors that is the same for every seed, described without loading it.

    Attributes:
        samples: N.
        classes: Number of classes.
        dim: D.
        load: Gives the inputs [N, D] float32 and the labels [N] int64.
    """

    samples: int
    classes: int
    dim: int
    load: Callable[[], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class DatasetInfo:
    """What a dataset's name implies.

    Attributes:
        encoders: The default encoders; the dataset is trained once for each.
        split: The default split.
        either_split: Whether the user may choose the other split.
        channels: Of its images; 0 for vectors.
        side: Of its images in pixels, as the ``"cnn"`` encoder reads them; None if the user may choose it.
        flips: Whether an image and its mirror image have the same class.
        halves: Whether its class-disjoint split is a fixed one: the second half of the classes is for the test.
        drawn: Whether each seed draws the samples anew.
        vectors: How a dataset of vectors is loaded; None for images, and where each seed draws the samples.
    """

    encoders: tuple[str, ...]
    split: str = "closed"
    either_split: bool = False
    channels: int = 3
    side: int | None = None
    flips: bool = True
    halves: bool = False
    drawn: bool = False
    vectors: Vectors | None = None


def load_digits() -> tuple[Tensor, Tensor]:
    """scikit-learn's digits: 8 x 8 pixels from 0 to 1."""
    from sklearn.datasets import load_digits as load

    bunch = load()
    return torch.as_tensor(bunch.data, dtype=torch.float32) / 16.0, torch.as_tensor(bunch.target, dtype=torch.int64)


DATASET_INFOS: dict[str, DatasetInfo] = {
    "synthetic": DatasetInfo(("mlp",), channels=0, flips=False, drawn=True),
    "digits": DatasetInfo(("mlp",), channels=0, flips=False, vectors=Vectors(1797, 10, 64, load_digits)),
    "mnist": DatasetInfo(("cnn",), channels=1, side=28, flips=False),
    "cifar10": DatasetInfo(("cnn", "vit_b_32"), side=32),
    "cub200": DatasetInfo(("vit_b_32",), "disjoint", either_split=True, halves=True),
    "cars196": DatasetInfo(("vit_b_32",), "disjoint", either_split=True, halves=True),
}
FOLDER_INFO = DatasetInfo(("vit_b_32",), either_split=True)
DATASETS = tuple(DATASET_INFOS)


def dataset_info(name: str) -> DatasetInfo:
    """The defaults of a dataset of `DATASETS`, or of an image folder ``folder:PATH``."""
    return FOLDER_INFO if name.startswith(FOLDER) else DATASET_INFOS[name]


def study_name(dataset: str) -> str:
    """The name of a dataset in a study: ``folder:birds`` for ``folder:/data/birds``, otherwise its own name.

    Splits and batches depend on this name, not on the path, so a folder may be moved.
    """
    return f"{FOLDER}{folder_of(dataset).name}" if dataset.startswith(FOLDER) else dataset


def folder_of(dataset: str) -> Path:
    """The absolute path in ``folder:PATH``."""
    return Path(dataset.removeprefix(FOLDER)).expanduser().absolute()


def list_images(dataset: str, root: Path) -> ImageListing:
    """Lists an image dataset.

    Args:
        dataset: One of `DATASETS`, or ``folder:PATH``.
        root: The folder of the datasets without a path.

    Raises:
        MissingFilesError: If it is missing.
        DatasetError: If its files are wrong.
    """
    if not dataset.startswith(FOLDER):
        return list_official(dataset, root)
    folder = folder_of(dataset)
    if not folder.is_dir():
        raise MissingFilesError(study_name(dataset), f"the folder {folder}", "give the path of an existing folder")
    return list_image_folder(folder)


def vector_shape(name: str, options: SyntheticOptions) -> tuple[int, int, int]:
    """Samples, classes and dimension of a dataset of vectors, without loading it."""
    vectors = dataset_info(name).vectors
    if vectors is None:
        return options.classes * options.samples_per_class, options.classes, options.dim
    return vectors.samples, vectors.classes, vectors.dim


def official_test(dataset: str, listing: ImageListing, split: str) -> Tensor | None:
    """The test part that all seeds share, [N] bool; None if there is none, and each seed draws its own.

    In a closed split it is that of the listing. In a class-disjoint split it is the second half of the classes where
    that is the field's convention (Oh Song et al. 2016), else that of the listing if no class is on both sides.
    """
    labels = torch.tensor(listing.labels)
    listed = None if listing.test is None else torch.tensor(listing.test)
    if split == "closed":
        return listed
    if dataset_info(dataset).halves:
        return labels >= (len(listing.classes) + 1) // 2
    return None if listed is None or torch.isin(labels[listed], labels[~listed]).any() else listed


@overload
def load_vectors(name: Literal["digits"], options: SyntheticOptions | None = None) -> Dataset: ...
@overload
def load_vectors(name: Literal["synthetic"], options: SyntheticOptions | None = None) -> ClusterDraws: ...
@overload
def load_vectors(name: str, options: SyntheticOptions | None = None) -> AnyDataset: ...
def load_vectors(name: str, options: SyntheticOptions | None = None) -> AnyDataset:
    """Loads a dataset of vectors; `options` apply to ``synthetic`` alone.

    Raises:
        DatasetError: If it is too small to be split.
    """
    vectors = dataset_info(name).vectors
    if vectors is None:
        return cluster_draws(name, options or SyntheticOptions())
    inputs, labels = vectors.load()
    return make_dataset(name, inputs, labels, "closed")
