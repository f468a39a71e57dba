"""The four standard image datasets, in their official folders or as plain image folders."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from trainables.datasets.errors import DatasetError, MissingFilesError
from trainables.datasets.files.pickles import load_plain
from trainables.datasets.files.regular import read_regular
from trainables.datasets.image_files import list_cars196, list_cub200, list_image_folder
from trainables.datasets.listing import ImageListing, check_classes

MNIST_FILES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)

_LARGEST = 1 << 27  # bytes of a file of MNIST or CIFAR-10
Content = TypeVar("Content")


@dataclass(frozen=True)
class OfficialDataset:
    """A dataset and its official layout.

    Attributes:
        folder: Its official folder under the root.
        read: Lists that folder.
        source: Where the user can get it.
        files: Files that must be in the folder. If one is missing, the folder counts as missing.
        samples: Its published number of images.
        classes: Its published number of classes.
    """

    folder: str
    read: Callable[[Path], ImageListing]
    source: str
    files: tuple[str, ...]
    samples: int
    classes: int


def list_mnist(root: Path) -> ImageListing:
    """MNIST (LeCun et al. 1998) from torchvision's layout.

    Args:
        root: The folder ``MNIST``, with the four unpacked files in ``raw``.

    Raises:
        DatasetError: If a file is missing or broken, or labels and images do not match.
    """
    images, labels = [], []
    for image_file, label_file in MNIST_FILES:
        paths = root / "raw" / image_file, root / "raw" / label_file
        arrays = [_read(path, partial(_idx, dims=dims)) for path, dims in zip(paths, (3, 1), strict=True)]
        if len(arrays[0]) != len(arrays[1]):
            raise DatasetError(
                f"{paths[1]} has {len(arrays[1])} labels for the {len(arrays[0])} images of {paths[0].name}"
            )
        images.append(arrays[0])
        labels.append(arrays[1])
    return _arrays(images, labels, [str(digit) for digit in range(10)], root)


def list_cifar10(root: Path) -> ImageListing:
    """CIFAR-10 (Krizhevsky 2009) from its Python files.

    The files are pickles, which can run code. So each is read once, these bytes must have the published digest, and no
    more than arrays, lists and text is made of them.

    Args:
        root: The folder ``cifar-10-batches-py``.

    Raises:
        DatasetError: If a file is missing or is not the published one.
    """
    from torchvision.datasets import CIFAR10

    (meta,) = _batches(root, [(CIFAR10.meta["filename"], CIFAR10.meta["md5"])], _cifar_classes)
    images, labels = [], []
    for published in (CIFAR10.train_list, CIFAR10.test_list):
        batches = _batches(root, published, _cifar_batch)
        images.append(np.concatenate([pixels for pixels, _ in batches]))
        labels.append(np.concatenate([numbers for _, numbers in batches]))
    return _arrays(images, labels, meta, root)


def _batches(
    root: Path, published: Sequence[tuple[str, str]], take: Callable[[dict[str, Any]], Content]
) -> list[Content]:
    """What is taken of some of CIFAR-10's files, given their names and published digests."""
    contents = []
    for name, digest in published:

        def read(content: bytes, path: Path = root / name, digest: str = digest) -> Content:
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != digest:
                raise DatasetError(f"{path} is not the published file (its md5 should be {digest})")
            return take(load_plain(content))

        contents.append(_read(root / name, read))
    return contents


def _cifar_batch(content: dict[str, Any]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    pixels = np.asarray(content["data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = np.asarray(content["labels"], np.int64)
    if labels.shape != pixels.shape[:1]:
        raise ValueError(f"it has {len(labels)} labels for {len(pixels)} images")
    return pixels, labels


def _cifar_classes(content: dict[str, Any]) -> list[str]:
    return [str(name) for name in content["label_names"]]


def _idx(content: bytes, dims: int) -> npt.NDArray[np.uint8]:
    """The bytes of a file of MNIST's format, as an array of so many dimensions."""
    kind, *shape = struct.unpack_from(f">{dims + 1}I", content)
    if kind != 2048 + dims:
        raise ValueError("it does not begin as such a file does")
    return np.frombuffer(content, np.uint8, offset=4 * dims + 4).reshape(shape).copy()


_MNIST = tuple(f"raw/{file}" for pair in MNIST_FILES for file in pair)
_CIFAR10 = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
_CUB200 = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt", "images")
_CARS196 = (
    *("devkit/cars_meta.mat", "devkit/cars_train_annos.mat", "cars_test_annos_withlabels.mat"),
    *("cars_train", "cars_test"),
)
_STANFORD = "the official download is gone; copies stand on Kaggle (stanford-cars-dataset) and on the Hugging Face hub"
OFFICIAL: dict[str, OfficialDataset] = {
    "mnist": OfficialDataset("MNIST", list_mnist, "torchvision's mirrors, as MNIST/raw", _MNIST, 70_000, 10),
    "cifar10": OfficialDataset(
        "cifar-10-batches-py",
        list_cifar10,
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        _CIFAR10,
        60_000,
        10,
    ),
    "cub200": OfficialDataset(
        "CUB_200_2011",
        list_cub200,
        "https://data.caltech.edu/records/65de6-vp158 (CUB_200_2011.tgz, 1.2 GB)",
        _CUB200,
        11_788,
        200,
    ),
    "cars196": OfficialDataset("stanford_cars", list_cars196, _STANFORD, _CARS196, 16_185, 196),
}


def list_official(name: str, root: Path) -> ImageListing:
    """Lists a dataset of `OFFICIAL` from its official folder under a root, or from ``<root>/<name>/{train,test}/``.

    Raises:
        MissingFilesError: If neither folder exists.
        DatasetError: If the files are wrong.
    """
    official = OFFICIAL[name]
    folder = root / official.folder
    missing = [folder / file for file in official.files if not (folder / file).exists()]
    if not missing:
        return official.read(folder)
    if (root / name).is_dir():
        return list_image_folder(root / name)
    first = missing[0] if folder.is_dir() else folder
    searched = f"{first} (official layout) and {root / name}/{{train,test}}/<class>/*.jpg"
    raise MissingFilesError(name, searched, official.source)


def _arrays(
    images: list[npt.NDArray[np.uint8]], labels: list[npt.NDArray[Any]], classes: list[str], root: Path
) -> ImageListing:
    """A listing of the images and labels of the training part and the test part."""
    test = np.repeat([False, True], [len(part) for part in labels])
    labels_of_all = np.concatenate(labels)
    if labels_of_all.min() < 0 or labels_of_all.max() >= len(classes):
        raise DatasetError(f"{root}: a label is not between 0 and {len(classes) - 1}")
    return check_classes(ImageListing(np.concatenate(images), labels_of_all.tolist(), classes, test.tolist()), root)


def _read(path: Path, take: Callable[[bytes], Content]) -> Content:
    """What is taken of the bytes of a file, which is read once."""
    try:
        return take(read_regular(path, _LARGEST))
    except DatasetError:
        raise
    except FileNotFoundError:
        raise DatasetError(f"cannot read {path}: no such file") from None
    except Exception as error:  # a truncated file may cause any exception
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{path} is broken ({reason}): delete it and fetch it again") from None
