"""The standard image datasets, in the layouts of their users."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, MNIST

from tests.trainables.images import SAMPLES, needs_samples, save
from trainables.datasets.errors import DatasetError, MissingFilesError
from trainables.datasets.official import MNIST_FILES, list_official


def write_mnist(root: Path, train: int = 40, test: int = 20) -> Path:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for (images, labels), count in zip(MNIST_FILES, (train, test), strict=True):
        pixels = rng.integers(0, 255, (count, 28, 28), dtype=np.uint8)
        (raw / images).write_bytes(struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes())
        (raw / labels).write_bytes(struct.pack(">II", 2049, count) + (np.arange(count) % 10).astype(np.uint8).tobytes())
    return raw


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10's files with a few random images, and their digests in place of the published ones."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)

    def write(name: str, content: object) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(name: str) -> list[str]:
        data = rng.integers(0, 255, (20, 3072), dtype=np.uint8)
        return [name, write(name, {"data": data, "labels": list(range(10)) * 2})]

    monkeypatch.setattr(CIFAR10, "train_list", [batch(f"data_batch_{number}") for number in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch")])
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": write("batches.meta", {"label_names": classes})}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    return folder


@needs_samples
def test_mnist_agrees_with_torchvisions_reader() -> None:
    listing = list_official("mnist", SAMPLES)
    for train in (True, False):
        theirs = MNIST(str(SAMPLES), train=train)
        ours = np.asarray(listing.test) != train
        assert np.array_equal(np.asarray(listing.images)[ours], theirs.data.numpy())
        assert np.array_equal(np.asarray(listing.labels)[ours], theirs.targets.numpy())


def test_cifar10_agrees_with_torchvisions_reader(cifar: Path) -> None:
    listing = list_official("cifar10", cifar.parent)
    assert len(listing) == 120
    for train in (True, False):
        theirs = CIFAR10(str(cifar.parent), train=train)
        ours = np.asarray(listing.test) != train
        assert np.array_equal(np.asarray(listing.images)[ours], theirs.data)
        assert np.asarray(listing.labels)[ours].tolist() == theirs.targets
        assert list(listing.classes) == theirs.classes


def test_a_cifar10_file_that_is_not_the_published_one_is_never_opened(cifar: Path) -> None:
    (cifar / "data_batch_3").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(DatasetError, match=r"data_batch_3 is not the published file \(its md5 should be"):
        list_official("cifar10", cifar.parent)
    (cifar / "data_batch_3").unlink()
    with pytest.raises(MissingFilesError, match="data_batch_3"):
        list_official("cifar10", cifar.parent)


def test_a_cifar10_file_that_is_exchanged_after_its_check_is_not_loaded(
    cifar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = b"cos\nsystem\n(S'touch " + os.fsencode(cifar / "ran") + b"'\ntR."
    really = hashlib.md5

    def check_and_exchange(content: bytes, **options: bool) -> Any:
        for path in cifar.iterdir():
            path.write_bytes(evil)
        return really(content, **options)

    before = {path.name: path.read_bytes() for path in cifar.iterdir()}
    monkeypatch.setattr("hashlib.md5", check_and_exchange)
    with pytest.raises(DatasetError, match="is not the published file"):
        list_official("cifar10", cifar.parent)
    assert not (cifar / "ran").exists()
    monkeypatch.undo()
    assert (cifar / "batches.meta").read_bytes() == evil != before["batches.meta"]


def test_a_cifar10_file_of_the_published_digest_runs_no_code_either(
    cifar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = b"cos\nsystem\n(S'touch " + os.fsencode(cifar / "ran") + b"'\ntR."
    (cifar / "data_batch_1").write_bytes(evil)
    published = [["data_batch_1", hashlib.md5(evil).hexdigest()]]
    monkeypatch.setattr(CIFAR10, "train_list", published)
    with pytest.raises(DatasetError, match=r"data_batch_1 is broken \(it names os\.system"):
        list_official("cifar10", cifar.parent)
    assert not (cifar / "ran").exists()


def test_broken_mnist_files_are_named(tmp_path: Path) -> None:
    raw = write_mnist(tmp_path)
    assert len(list_official("mnist", tmp_path)) == 60
    (images, labels), (test_images, _) = MNIST_FILES
    content = (raw / images).read_bytes()
    (raw / images).write_bytes(content[:-1000])
    with pytest.raises(DatasetError, match=f"{images} is broken"):
        list_official("mnist", tmp_path)
    (raw / images).write_bytes(content)
    (raw / labels).write_bytes(struct.pack(">II", 2049, 39) + bytes(39))
    with pytest.raises(DatasetError, match=f"{labels} has 39 labels for the 40 images of {images}"):
        list_official("mnist", tmp_path)
    (raw / test_images).unlink()
    with pytest.raises(MissingFilesError) as caught:
        list_official("mnist", tmp_path)
    assert test_images in caught.value.searched


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cub200", "cars196"])
def test_each_is_read_from_an_image_folder_too(name: str, tmp_path: Path) -> None:
    for side in ("train", "test"):
        for label in ("first", "second"):
            for number in range(2):
                save(tmp_path / name / side / label / f"{side}{number}.png", number)
    listing = list_official(name, tmp_path)
    assert (len(listing), list(listing.classes)) == (8, ["first", "second"])
    assert sum(listing.test or ()) == 4


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cub200", "cars196"])
def test_a_missing_dataset_is_an_error_that_names_the_folder_and_the_source(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError) as caught:
        list_official(name, tmp_path)
    assert str(tmp_path / name) in caught.value.searched
    assert caught.value.remedy
    assert (name != "cars196") or "official download is gone" in caught.value.remedy
