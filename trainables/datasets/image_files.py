"""Listings of image datasets on disk, in their official layouts or as plain folders.

A listing says to which class and part each file belongs; it reads no pixels. Each error message names the wrong file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables.datasets.errors import DatasetError
from trainables.datasets.listing import ImageListing, check_classes

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


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
    paths = tuple(root / "images" / name for name in names.values())
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
    names = [str(name) for name in _read_mat(root / "devkit" / "cars_meta.mat", "class_names")]
    paths: list[Path] = []
    labels: list[int] = []
    test: list[bool] = []
    for folder, table, is_test in (
        ("cars_train", root / "devkit" / "cars_train_annos.mat", False),
        ("cars_test", root / "cars_test_annos_withlabels.mat", True),
    ):
        for row in _read_mat(table, "annotations"):
            label = int(row["class"]) - 1  # the file counts from 1
            if not 0 <= label < len(names):
                raise DatasetError(f"{table} gives {row['fname']} class {label + 1} of {len(names)}")
            paths.append(root / folder / str(row["fname"]))
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
    classes = sorted({entry.name for folder in folders for entry in folder.iterdir() if _is_class(entry)})
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
    return sorted(
        file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    )


def _id_table(path: Path) -> dict[str, str]:
    """Reads a file of lines ``<id> <value>``, in their order."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
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


def _read_mat(path: Path, name: str) -> Sequence[Any]:
    from scipy.io import loadmat

    try:
        values = loadmat(str(path), squeeze_me=True)[name]
        if values.dtype.names:
            return [{field: row[field] for field in values.dtype.names} for row in values]
        return list(values)
    except FileNotFoundError:
        raise DatasetError(f"cannot read {path}: no such file") from None
    except Exception as error:  # a broken file may cause any exception
        raise DatasetError(f"{path} is not the annotation file it should be ({error})") from None


def _check_files(paths: Sequence[Path], list_file: Path) -> None:
    if not paths:
        raise DatasetError(f"{list_file} lists no image")
    missing = next((path for path in paths if not path.is_file()), None)
    if missing:
        raise DatasetError(f"{missing} is listed in {list_file}, but there is no such file")
