"""Cached inputs that are not those of their images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from study.config.loading import load_config
from study.data.cached_inputs import check_cached_inputs
from study.data.preparation import entry_of, prepare
from study.data.sources import EncodedDataset, find_datasets
from trainables.datasets.digests import array_digest
from trainables.datasets.errors import DatasetError
from trainables.datasets.listing import ImageListing
from trainables.datasets.splits import Dataset
from trainables.datasets.synthetic import SyntheticOptions

Change = Callable[[npt.NDArray[np.generic]], npt.NDArray[np.generic]]
RANDOM = np.random.default_rng(0)


@pytest.fixture(params=["cnn", "resnet18"])
def encoded(request: pytest.FixtureRequest, birds: Path, weights: Path) -> EncodedDataset:
    """The birds, read by one encoder."""
    options = {"datasets": [f"folder:{birds}"], "encoder": [f"folder:birds={request.param}"], "image_size": 16}
    own = {"weights": [f"resnet18={weights}"]} if request.param == "resnet18" else {}
    (dataset,) = find_datasets(load_config("demo", None, {**options, **own}))[0]
    return dataset


def prepared(encoded: EncodedDataset, cache: Path) -> Dataset:
    dataset = prepare([encoded], cache, SyntheticOptions())[0][encoded.key]
    assert isinstance(dataset, Dataset)
    return dataset


def exchange(encoded: EncodedDataset, cache: Path, change: Change) -> None:
    """Changes the cached inputs and computes their digest again, as who can write the cache can do."""
    assert encoded.listing is not None
    folder = entry_of(encoded, encoded.listing, cache)
    array = change(np.load(folder / "inputs.npy"))
    np.save(folder / "inputs.npy", array)
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**about, "digest": array_digest(array)}))


def noise(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return (RANDOM.random(array.shape) * 250).astype(array.dtype)


def test_inputs_that_are_those_of_their_images_pass(encoded: EncodedDataset, tmp_path: Path) -> None:
    dataset = prepared(encoded, tmp_path)
    check_cached_inputs(encoded, dataset.inputs, tmp_path)
    rounded = dataset.inputs * (1 + 1e-4) if dataset.inputs.is_floating_point() else dataset.inputs
    check_cached_inputs(encoded, rounded, tmp_path)


def test_inputs_that_were_exchanged_for_random_numbers_are_one_line(encoded: EncodedDataset, tmp_path: Path) -> None:
    before = prepared(encoded, tmp_path)
    exchange(encoded, tmp_path, noise)
    after = prepared(encoded, tmp_path)
    assert after.digest == before.digest
    assert after.inputs_digest != before.inputs_digest
    with pytest.raises(DatasetError, match=r"are not those of its images .* remove that folder") as raised:
        check_cached_inputs(encoded, after.inputs, tmp_path)
    assert "\n" not in str(raised.value)


def test_values_that_are_no_numbers_are_those_of_no_image(encoded: EncodedDataset, tmp_path: Path) -> None:
    inputs = torch.full_like(prepared(encoded, tmp_path).inputs.float(), torch.nan)
    with pytest.raises(DatasetError, match="are not those of its images"):
        check_cached_inputs(encoded, inputs, tmp_path)


def test_a_digest_is_that_of_the_inputs_that_were_loaded(encoded: EncodedDataset, tmp_path: Path) -> None:
    for _ in range(2):
        dataset = prepared(encoded, tmp_path)
        assert dataset.inputs_digest == array_digest(dataset.inputs.numpy())[:16]


CHANGES: dict[str, Change] = {
    "shorter": lambda array: array[:-1].copy(),
    "narrower": lambda array: array[:, :-1].copy(),
    "other numbers": lambda array: array.astype(np.float64),
    "flat": lambda array: array.reshape(-1).copy(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_inputs_of_another_form_are_one_line(encoded: EncodedDataset, tmp_path: Path, change: str) -> None:
    prepared(encoded, tmp_path)
    exchange(encoded, tmp_path, CHANGES[change])
    with pytest.raises(DatasetError, match=r"have the shape .* and not \(80, .* remove that folder") as raised:
        prepared(encoded, tmp_path)
    assert "\n" not in str(raised.value)


def test_of_pixels_that_are_in_memory_each_is_compared(birds: Path, tmp_path: Path) -> None:
    pixels = RANDOM.integers(0, 255, (500, 16, 16, 3), dtype=np.uint8)
    listing = ImageListing(pixels, [position % 8 for position in range(500)], [str(label) for label in range(8)], None)
    options = {"datasets": [f"folder:{birds}"], "encoder": ["folder:birds=cnn"], "image_size": 16}
    (found,) = find_datasets(load_config("demo", None, options))[0]
    encoded = replace(found, listing=listing, samples=500)
    inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).clone()
    check_cached_inputs(encoded, inputs, tmp_path)
    inputs[321, 0, 0, 0] ^= 1
    with pytest.raises(DatasetError, match="image 321 gives others"):
        check_cached_inputs(encoded, inputs, tmp_path)
