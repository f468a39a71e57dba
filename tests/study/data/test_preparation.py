from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import get_model

from study.config.loading import load_config
from study.data import preparation, sources
from study.data.preparation import fault_text, is_prepared, prepare
from study.data.sources import EncodedDataset, find_datasets
from trainables.datasets.errors import DatasetError, LargeImageError
from trainables.datasets.splits import Dataset
from trainables.datasets.synthetic import SyntheticOptions
from trainables.pack import DatasetKey


def birds_read_by(birds: Path, encoders: str, **options: Any) -> list[EncodedDataset]:
    options = {"datasets": [f"folder:{birds}"], "encoder": [f"folder:birds={encoders}"], "image_size": 16, **options}
    return find_datasets(load_config("demo", None, options))[0]


def prepared(datasets: list[EncodedDataset], cache: Path) -> dict[DatasetKey, Dataset]:
    loaded = prepare(datasets, cache, SyntheticOptions())[0]
    return {key: dataset for key, dataset in loaded.items() if isinstance(dataset, Dataset)}


def test_each_dataset_is_prepared_once_and_shared_by_its_encoders(
    birds: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = birds_read_by(birds, "cnn,mlp,resnet18,resnet18+mlp", weights=[f"resnet18={weights}"])
    first = prepared(datasets, tmp_path / "cache")
    assert [tuple(first[DatasetKey("folder:birds", name)].inputs.shape) for name in ("cnn", "resnet18")] == [
        (80, 3, 16, 16),
        (80, 512),
    ]
    assert first[DatasetKey("folder:birds", "cnn")] is first[DatasetKey("folder:birds", "mlp")]
    assert first[DatasetKey("folder:birds", "resnet18")] is first[DatasetKey("folder:birds", "resnet18+mlp")]
    monkeypatch.setattr(preparation, "decode_images", None)
    monkeypatch.setattr(preparation, "load_backbone", None)
    again = prepared(datasets, tmp_path / "cache")
    for key, dataset in first.items():
        assert torch.equal(dataset.inputs, again[key].inputs)
        assert dataset.digest == again[key].digest
    assert all(is_prepared(dataset, tmp_path / "cache") for dataset in datasets)


def test_the_same_images_elsewhere_have_the_same_digest_and_others_another(birds: Path, tmp_path: Path) -> None:
    before = prepared(birds_read_by(birds, "cnn"), tmp_path / "cache")[DatasetKey("folder:birds", "cnn")]
    moved = Path(shutil.copytree(birds, tmp_path / "elsewhere" / "birds", copy_function=shutil.copyfile))
    assert (
        prepared(birds_read_by(moved, "cnn"), tmp_path / "other")[DatasetKey("folder:birds", "cnn")].digest
        == before.digest
    )
    shutil.copy(moved / "class00" / "0.png", moved / "class00" / "extra.png")
    assert not is_prepared(birds_read_by(moved, "cnn")[0], tmp_path / "other")
    after, warnings = prepare(birds_read_by(moved, "cnn"), tmp_path / "other", SyntheticOptions())
    assert after[DatasetKey("folder:birds", "cnn")].digest != before.digest
    assert "1 images are left out, so that none is on two sides" in warnings[0]
    assert "extra.png" in warnings[0]


def test_files_that_were_replaced_in_place_are_prepared_again(birds: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = prepared(birds_read_by(birds, "cnn"), cache)[DatasetKey("folder:birds", "cnn")]
    first, second = birds / "class00" / "0.png", birds / "class01" / "0.png"
    status, content = first.stat(), second.read_bytes()
    first.write_bytes(content[: status.st_size].ljust(status.st_size, b"\0"))
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert first.stat().st_size == status.st_size
    assert not is_prepared(birds_read_by(birds, "cnn")[0], cache)
    assert before.digest


def test_weights_are_part_of_what_features_are_known_by(birds: Path, weights: Path, tmp_path: Path) -> None:
    digests = set()
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(get_model("resnet18", weights=None).state_dict(), weights)
        datasets = birds_read_by(birds, "resnet18", weights=[f"resnet18={weights}"])
        digests.add(prepared(datasets, tmp_path / "cache")[DatasetKey("folder:birds", "resnet18")].digest)
    assert len(digests) == 2


def test_the_limit_on_an_images_pixels_is_said_and_raised_with_all_limits(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MOST_PIXELS", 255)
    with pytest.raises(LargeImageError) as caught:
        prepared(birds_read_by(birds, "cnn"), tmp_path / "cache")
    assert re.search(r"png has 16 x 16 pixels, more than 255: .*, or, .* set STUDY_LIMITS=10", fault_text(caught.value))
    monkeypatch.setenv("STUDY_LIMITS", "2")
    assert prepared(birds_read_by(birds, "cnn"), tmp_path / "cache")


@pytest.mark.parametrize("encoder", ["cnn", "resnet18"])
def test_a_broken_image_is_named_and_leaves_no_entry(birds: Path, weights: Path, tmp_path: Path, encoder: str) -> None:
    broken = birds / "class05" / "2.png"
    broken.write_bytes(broken.read_bytes()[:200])
    own = {"weights": [f"resnet18={weights}"]} if encoder == "resnet18" else {}
    datasets = birds_read_by(birds, encoder, **own)
    with pytest.raises(DatasetError, match=r"class05/2\.png is broken or no image"):
        prepared(datasets, tmp_path / "cache")
    assert not is_prepared(datasets[0], tmp_path / "cache")
