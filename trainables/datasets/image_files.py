"""Listings of image datasets on disk, in their official layouts or as plain folders.

A listing says to which class and part each file belongs; it reads no pixels. Each error message names the wrong file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables.datasets.errors import DatasetError
from trainables.datasets.files.matlab import read_mat
from trainables.datasets.files.regular import read_regular
from trainables.datasets.listing import SUFFIXES, ImageListing, check_classes

_LARGEST_LIST = 1 << 26  # bytes of a file that lists images


def list_cub200(root: Path) -> ImageListing:
    """CUB-200-2011 (Wah et al. 2011) in its official layout: text files such as ``images.txt``, and ``images/``.

    Args:
        root: The folder ``CUB_200_2011``.

    Raises:
        DatasetError: If a file is missing, or the text files contradict each other or the images.
    """
    names = _id_table(root / "images.txt")
    labels = _id_table(root / "image_class_labels.txt")
    parts = _id_table(root / "train_test_split.txt")
    classes = _id_table(root / "classes.txt")
    for file, table in (("image_class_labels.txt", labels), ("train_test_split.txt", parts)):
        unmatched = sorted(names.keys() ^ table.keys())
        if unmatched:
            raise DatasetError(
                f"{root / file} and images.txt do not list the same images: image {unmatched[0]} is in one only"
            )
    for image, label in labels.items():
        if label not in classes:
            raise DatasetError(
                f"{root / 'image_class_labels.txt'} gives image {image} class {label}: classes.txt has none"
            )
    paths = tuple(_inside(root / "images", name, root / "images.txt") for name in names.values())
    _check_files(paths, root / "images.txt")
    positions = {label: position for position, label in enumerate(classes)}
    listing = ImageListing(
        paths,
        tuple(positions[labels[image]] for image in names),
        tuple(classes.values()),
        tuple(parts[image] == "0" for image in names),
    )
    return check_classes(listing, root)


def list_cars196(root: Path) -> ImageListing:
    """CARS196 (Krause et al. 2013) in torchvision's layout of StanfordCars.

    Args:
        root: The folder ``stanford_cars``. It holds ``devkit``, ``cars_train``, ``cars_test`` and
            ``cars_test_annos_withlabels.mat``.

    Raises:
        DatasetError: If a file is missing or unreadable, or the annotations contradict the images.
    """
    names = [str(name) for name in _read_mat(root / "devkit" / "cars_meta.mat", "class_names", str)]
    paths: list[Path] = []
    labels: list[int] = []
    test: list[bool] = []
    for folder, table, is_test in (
        ("cars_train", root / "devkit" / "cars_train_annos.mat", False),
        ("cars_test", root / "cars_test_annos_withlabels.mat", True),
    ):
        for row in _read_mat(table, "annotations", dict):
            if not (isinstance(row.get("class"), int) and isinstance(row.get("fname"), str)):
                raise DatasetError(f"{table} is not the annotation file it should be (a row has no class or no fname)")
            label = row["class"] - 1  # the file counts from 1
            if not 0 <= label < len(names):
                raise DatasetError(f"{table} gives {row['fname']} class {label + 1} of {len(names)}")
            paths.append(_inside(root / folder, row["fname"], table))
            labels.append(label)
            test.append(is_test)
    _check_files(paths, root / "devkit")
    return check_classes(ImageListing(tuple(paths), tuple(labels), tuple(names), tuple(test)), root)


def list_image_folder(root: Path) -> ImageListing:
    """Any folder of images: ``<class>/*.jpg``, or ``train/<class>/*.jpg`` and ``test/<class>/*.jpg``.

    Classes are sorted by name. A class may be in ``train``, in ``test`` or in both.

    Raises:
        DatasetError: If there is no folder, no class or no image, or a class has only one image.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder")
    parts = [part for part in ("train", "test") if (root / part).is_dir()]
    folders = [root / part for part in parts] if len(parts) == 2 else [root]
    classes = sorted({_named(entry).name for folder in folders for entry in folder.iterdir() if _is_class(entry)})
    paths: list[Path] = []
    labels: list[int] = []
    test: list[bool] = []
    for label, name in enumerate(classes):
        files = [file for folder in folders for file in _images(folder / name)]
        paths += files
        labels += [label] * len(files)
        test += [file.parent.parent.name == "test" and len(folders) == 2 for file in files]
    if not paths:
        hint = ", and has no test/ beside its train/" if parts == ["train"] else ""
        raise DatasetError(
            f"{root} holds no images{hint}: expected {root}/<class>/*.jpg, or the same under train/ and test/"
        )
    official = tuple(test) if len(folders) == 2 else None
    return check_classes(ImageListing(tuple(paths), tuple(labels), tuple(classes), official), root)


def _is_class(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(".")


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = sorted(
        file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    )
    for file in files:
        if not _named(file).is_file():
            raise DatasetError(f"{file} is no regular file: remove it, or give it another suffix")
    return files


def _named(path: Path) -> Path:
    """The path, if its name is text, which goes into records and reports."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        name = os.fsencode(path.name)
        raise DatasetError(f"{path.parent} holds {name!r}, a name that is no UTF-8: rename it") from None
    return path


def _inside(folder: Path, name: str, list_file: Path) -> Path:
    """The path of an image that a list names, which must not lead out of the data set."""
    if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise DatasetError(f"{list_file} lists {name!r}, which is no image in {folder}")
    return folder / name


def _id_table(path: Path) -> dict[str, str]:
    """Reads a file of lines ``<id> <value>``, in their order."""
    try:
        lines = read_regular(path, _LARGEST_LIST).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    table: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        identifier, _, value = line.strip().partition(" ")
        if not identifier:
            continue
        if not value or identifier in table:
            raise DatasetError(f"{path}, line {number}: expected a new id and a value, found {line.strip()!r}")
        table[identifier] = value
    return table


def _read_mat(path: Path, name: str, kind: type) -> Sequence[Any]:
    """A variable of a MAT file: a list of values of one kind."""
    try:
        values = read_mat(read_regular(path, _LARGEST_LIST), name)
        if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
            raise ValueError(f"its {name} are of another kind")
    except FileNotFoundError:
        raise DatasetError(f"cannot read {path}: no such file") from None
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from None
    except DatasetError:
        raise
    except ValueError as error:
        raise DatasetError(f"{path} is not the annotation file it should be ({error})") from None
    return values


def _check_files(paths: Sequence[Path], list_file: Path) -> None:
    if not paths:
        raise DatasetError(f"{list_file} lists no image")
    missing = next((path for path in paths if not path.is_file()), None)
    if missing:
        raise DatasetError(f"{missing} is listed in {list_file}, but there is no such file")
