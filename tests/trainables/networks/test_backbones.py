"""Frozen backbones, with random weights in the format of torchvision."""

from __future__ import annotations

import hashlib
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import get_model, get_model_weights

from tests.trainables.images import save_classes
from trainables.datasets.errors import DatasetError, MissingFilesError
from trainables.datasets.image_files import list_image_folder
from trainables.datasets.listing import read_image
from trainables.networks import backbones
from trainables.networks.backbones import (
    backbone_names,
    embed,
    extract_features,
    feature_dim,
    find_weights,
    load_backbone,
)


def save_weights(path: Path, backbone: str, **options: Any) -> Path:
    torch.manual_seed(0)
    torch.save(get_model(backbone, weights=None, **options).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_weights(tmp_path_factory.mktemp("weights") / "user.pth", "resnet18")


@pytest.mark.parametrize(("backbone", "layer", "dim"), [("resnet18", "fc", 512), ("vit_b_32", "heads", 768)])
def test_features_are_those_of_torchvisions_model_and_transforms(
    tmp_path: Path, backbone: str, layer: str, dim: int
) -> None:
    weights = save_weights(tmp_path / "w.pth", backbone)
    listing = list_image_folder(save_classes(tmp_path / "images", 2, 2, side=40))
    ours_of = partial(embed, load_backbone(backbone, weights), device=torch.device("cpu"))
    ours = extract_features(
        lambda batches: map(ours_of, batches),
        backbone,
        lambda position: read_image(listing, position)[0],
        len(listing),
        workers=2,
    )
    model = get_model(backbone, weights=None)
    model.load_state_dict(torch.load(weights, weights_only=True))
    setattr(model, layer, nn.Identity())
    transform = get_model_weights(backbone).DEFAULT.transforms()
    with torch.no_grad():
        expected = [model.eval()(transform(Image.open(path)).unsqueeze(0))[0] for path in listing.images]
    assert ours.shape == (4, feature_dim(backbone)) == (4, dim)
    torch.testing.assert_close(ours, torch.stack(expected), rtol=1e-3, atol=1e-4)


def test_weights_for_other_classes_fit_and_other_networks_do_not(tmp_path: Path, resnet18: Path) -> None:
    load_backbone("resnet18", save_weights(tmp_path / "seven.pth", "resnet18", num_classes=7))
    with pytest.raises(DatasetError, match=r"user\.pth does not fit resnet34"):
        load_backbone("resnet34", resnet18)
    torch.save({"layer": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(DatasetError, match=r"other\.pth does not fit resnet18"):
        load_backbone("resnet18", tmp_path / "other.pth")


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (open, ("/tmp/should-not-be-opened", "w"))  # type: ignore[return-value]


@pytest.mark.parametrize("content", [Evil(), b"rubbish", [1, 2]])
def test_a_file_that_is_no_state_dict_is_refused_unopened(tmp_path: Path, content: object) -> None:
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(DatasetError, match=r"w\.pth (is no file of weights|holds no state dict)") as caught:
        load_backbone("resnet18", path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_exchanged_after_their_check_are_not_loaded(tmp_path: Path, resnet18: Path) -> None:
    content = resnet18.read_bytes()
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    load_backbone("resnet18", path, digest)
    save_weights(path, "resnet18", num_classes=7)
    with pytest.raises(DatasetError, match=r"w\.pth has changed while this session was at work"):
        load_backbone("resnet18", path, digest)


def test_weights_that_unfold_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(1 << 20)}, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(DatasetError, match=r"w\.pth is no file of weights, .* parts are compressed"):
        load_backbone("resnet18", path)


def test_weights_are_found_by_name_and_digest(tmp_path: Path, resnet18: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(resnet18.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(backbones, "weight_file_name", lambda backbone: f"{backbone}-{digest}.pth")
    with pytest.raises(MissingFilesError) as caught:
        find_weights("resnet18", None, [tmp_path])
    assert str(tmp_path) in caught.value.searched
    assert "https://download.pytorch.org" in caught.value.remedy
    path = tmp_path / f"resnet18-{digest}.pth"
    path.write_bytes(resnet18.read_bytes())
    assert find_weights("resnet18", None, [tmp_path / "elsewhere", tmp_path]) == path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"is not the published file .* --weights resnet18=FILE"):
        find_weights("resnet18", None, [tmp_path])
    assert find_weights("resnet18", resnet18, [tmp_path]) == resnet18
    with pytest.raises(MissingFilesError):
        find_weights("resnet18", tmp_path / "absent.pth", [tmp_path])


def test_backbones_are_torchvisions_classifiers() -> None:
    assert {"vit_b_32", "resnet50", "convnext_tiny"} <= set(backbone_names())
    assert [feature_dim(name) for name in ("vit_b_32", "resnet50", "vgg11")] == [768, 2048, 4096]
