"""Listings of image datasets: of small folders made here, and of the real samples if they are present."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import ImageFolder, StanfordCars

from tests.trainables.images import SAMPLES, needs_samples, save
from trainables.datasets.errors import DatasetError
from trainables.datasets.image_files import list_cars196, list_cub200, list_image_folder


@pytest.fixture
def cub(tmp_path: Path) -> Path:
    """Two classes of two images, ids not consecutive, in the official layout."""
    root = tmp_path / "CUB_200_2011"
    rows = [(7, "001.A/x.jpg", 1, 1), (9, "001.A/y.jpg", 1, 0), (12, "002.B/x.jpg", 2, 0), (30, "002.B/z.jpg", 2, 1)]
    for identifier, name, _, _ in rows:
        save(root / "images" / name, identifier)
    (root / "classes.txt").write_text("1 001.A\n2 002.B\n")
    (root / "images.txt").write_text("".join(f"{i} {name}\n" for i, name, _, _ in rows))
    (root / "image_class_labels.txt").write_text("".join(f"{i} {label}\n" for i, _, label, _ in rows))
    (root / "train_test_split.txt").write_text("".join(f"{i} {train}\n" for i, _, _, train in rows))
    return root


def test_cub200_is_read_in_its_official_layout(cub: Path) -> None:
    listing = list_cub200(cub)
    assert [Path(path).name for path in listing.images] == ["x.jpg", "y.jpg", "x.jpg", "z.jpg"]
    assert listing.labels == (0, 0, 1, 1)
    assert listing.describe(3) == str(cub / "images" / "002.B" / "z.jpg")
    assert listing.classes == ("001.A", "002.B")
    assert listing.test == (False, True, True, False)


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("image_class_labels.txt", "7 1\n9 1\n12 2\n", "30 is in one only"),
        ("image_class_labels.txt", "7 1\n9 1\n12 2\n30 5\n", "image 30 class 5"),
        ("images.txt", "7 001.A/x.jpg\n9 001.A/gone.jpg\n12 002.B/x.jpg\n30 002.B/z.jpg\n", "gone.jpg is listed in"),
        ("train_test_split.txt", "7\n", "train_test_split.txt, line 1"),
        ("classes.txt", None, "cannot read"),
        ("images.txt", "7 ../../x.jpg\n9 001.A/y.jpg\n12 002.B/x.jpg\n30 002.B/z.jpg\n", "lists '../../x.jpg', "),
        ("images.txt", "7 /etc/x.jpg\n9 001.A/y.jpg\n12 002.B/x.jpg\n30 002.B/z.jpg\n", "lists '/etc/x.jpg', "),
    ],
)
def test_a_list_that_does_not_fit_the_images_is_named(cub: Path, file: str, content: str | None, expected: str) -> None:
    (cub / file).unlink()
    if content is not None:
        (cub / file).write_text(content)
    with pytest.raises(DatasetError) as caught:
        list_cub200(cub)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_with_a_split_keeps_it_and_one_without_has_none(tmp_path: Path) -> None:
    for side in ("train", "test"):
        for name in ("cat", "dog"):
            for number in range(2):
                save(tmp_path / "split" / side / name / f"{side}{number}.png", number)
    save(tmp_path / "split" / "train" / "cat" / ".hidden.png", 1)
    (tmp_path / "split" / "train" / "cat" / "notes.txt").write_text("no image")
    listing = list_image_folder(tmp_path / "split")
    assert listing.classes == ("cat", "dog")
    assert len(listing.images) == 8
    assert listing.test == tuple(Path(path).parent.parent.name == "test" for path in listing.images)
    plain = list_image_folder(tmp_path / "split" / "train")
    assert plain.test is None
    theirs = ImageFolder(str(tmp_path / "split" / "test"))
    ours = list_image_folder(tmp_path / "split" / "test")
    assert [(str(path), label) for path, label in zip(ours.images, ours.labels, strict=True)] == theirs.samples


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no folder"):
        list_image_folder(tmp_path / "absent")
    with pytest.raises(DatasetError, match="holds no images"):
        list_image_folder(tmp_path)
    save(tmp_path / "alone" / "one.png", 0)
    with pytest.raises(DatasetError, match="class 'alone' needs at least 2 images, it has 1"):
        list_image_folder(tmp_path)


@pytest.mark.parametrize("kind", ["fifo", "zero", "folder", "dangling"])
def test_what_is_no_regular_file_among_images_is_named(tmp_path: Path, kind: str) -> None:
    for number in range(2):
        save(tmp_path / "a" / f"{number}.jpg", number)
    odd = tmp_path / "a" / "odd.jpg"
    if kind == "fifo":
        os.mkfifo(odd)
    elif kind == "folder":
        odd.mkdir()
    else:
        odd.symlink_to("/dev/zero" if kind == "zero" else "/absent")
    with pytest.raises(DatasetError, match=r"odd\.jpg is no regular file"):
        list_image_folder(tmp_path)


@pytest.mark.parametrize("name", [b"a/\xff.jpg", b"\xff/a.jpg"])
def test_a_name_that_is_no_utf8_is_one_line(tmp_path: Path, name: bytes) -> None:
    save(tmp_path / "a" / "0.jpg", 0)
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"holds b'.*xff.*', a name that is no UTF-8: rename it") as raised:
        list_image_folder(tmp_path)
    str(raised.value).encode()


def cars(root: Path, **changed: Any) -> Path:
    """Two classes of two images each way, in torchvision's layout; some variables are replaced."""
    rows = np.zeros((1, 4), dtype=[("class", object), ("fname", object)])
    for number in range(4):
        rows[0, number] = (np.uint8(number % 2 + 1), f"{number}.jpg")
        for folder in ("cars_train", "cars_test"):
            save(root / folder / f"{number}.jpg", number)
    names = np.array([["AM General", "Acura"]], dtype=object)
    (root / "devkit").mkdir()
    savemat(root / "devkit" / "cars_meta.mat", {"class_names": names})
    savemat(root / "cars_test_annos_withlabels.mat", {"annotations": rows})
    savemat(root / "devkit" / "cars_train_annos.mat", {"annotations": rows, **changed})
    return root


def test_cars196_is_read_in_torchvisions_layout(tmp_path: Path) -> None:
    listing = list_cars196(cars(tmp_path))
    assert listing.classes == ("AM General", "Acura")
    assert listing.labels == (0, 1) * 4
    assert [str(path.relative_to(tmp_path)) for path in listing.images[:2]] == ["cars_train/0.jpg", "cars_train/1.jpg"]  # type: ignore[union-attr]
    assert listing.test == (False,) * 4 + (True,) * 4


def rows(**fields: Any) -> Any:
    table = np.zeros((1, 2), dtype=[(name, object) for name in fields])
    table[0, :] = tuple(fields.values())
    return table


@pytest.mark.parametrize(
    "annotations",
    [
        *(rows(fname="0.jpg"), rows(**{"class": 1}), rows(**{"class": "1", "fname": "0.jpg"}), 7, "text"),
        *(np.zeros((1, 3)), rows(**{"class": 1, "fname": "../../0.jpg"}), rows(**{"class": 3, "fname": "0.jpg"})),
    ],
)
def test_annotations_without_what_they_need_are_one_line(tmp_path: Path, annotations: Any) -> None:
    with pytest.raises(DatasetError, match=r"cars_train_annos\.mat (is not the annotation|gives|lists)") as raised:
        list_cars196(cars(tmp_path, annotations=annotations))
    assert "\n" not in str(raised.value)


@needs_samples
def test_cub200_samples_are_read_with_their_official_parts() -> None:
    listing = list_cub200(SAMPLES / "CUB_200_2011")
    assert (len(listing.images), len(listing.classes)) == (1342, 24)
    assert all(
        listing.classes[label] == Path(path).parent.name
        for path, label in zip(listing.images, listing.labels, strict=True)
    )
    assert listing.test is not None
    assert 0.4 < sum(listing.test) / 1342 < 0.6


@needs_samples
def test_cars196_samples_agree_with_torchvisions_reader() -> None:
    listing = list_cars196(SAMPLES / "stanford_cars")
    assert listing.test is not None
    ours = list(zip(listing.images, listing.labels, listing.test, strict=True))
    for split, is_test in (("train", False), ("test", True)):
        theirs = StanfordCars(str(SAMPLES), split=split)
        assert [(str(path), label) for path, label, test in ours if test == is_test] == theirs._samples
        assert tuple(theirs.classes) == listing.classes


@needs_samples
def test_a_missing_annotation_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cars_meta\.mat: no such file"):
        list_cars196(tmp_path)
    (tmp_path / "devkit").mkdir()
    (tmp_path / "devkit" / "cars_meta.mat").write_bytes(b"rubbish")
    with pytest.raises(DatasetError, match=r"cars_meta\.mat is not the annotation file"):
        list_cars196(tmp_path)
