"""The files of a study are found before it starts, or listed as missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.config.loading import load_config
from study.data.sources import DatasetsError, EncodedDataset, find_datasets
from tests.trainables.images import SAMPLES, needs_samples, save_classes


def datasets(root: Path, **options: Any) -> list[EncodedDataset]:
    return find_datasets(load_config("demo", None, {"data_root": root, **options}))[0]


def fault(root: Path, **options: Any) -> str:
    with pytest.raises(DatasetsError) as caught:
        datasets(root, **options)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _no_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def test_all_that_is_missing_stands_in_one_list(tmp_path: Path) -> None:
    text = fault(tmp_path, datasets=["all", "folder:/nowhere/birds"])
    assert text.startswith("6 of the study's files are missing:")
    for part in (
        "mnist\n",
        f"{tmp_path}/MNIST",
        f"{tmp_path}/cars196/{{train,test}}/<class>/*.jpg",
        "weights of vit_b_32, for cifar10, cub200, cars196, folder:birds",
        "vit_b_32-d86f8d99.pth in",
        "--download fetches it, from https://download.pytorch.org/models/vit_b_32-d86f8d99.pth",
        "--encoder cifar10=cnn cub200=cnn cars196=cnn folder:birds=cnn",
        "the official download is gone",
        "the folder /nowhere/birds",
        "--skip-missing",
    ):
        assert part in text


def test_a_plan_needs_no_files_of_published_datasets_and_says_what_is_missing(tmp_path: Path) -> None:
    config = load_config("demo", None, {"data_root": tmp_path, "datasets": ["all"]})
    found, (line,) = find_datasets(config, only_plan=True)
    sizes = {each.dataset: (each.samples, each.classes, each.split, each.sampler) for each in found}
    assert sizes["mnist"] == (70_000, 10, "closed", "shuffle")
    assert sizes["cub200"] == (11_788, 200, "disjoint", "pk")
    assert sizes["cars196"] == (16_185, 196, "disjoint", "pk")
    assert [each.key for each in found if each.dataset == "cifar10"] == [("cifar10", "cnn"), ("cifar10", "vit_b_32")]
    assert line.startswith("planned from published numbers of images and classes, and without weights; 5 of the study")
    assert f"looked for  {tmp_path}/MNIST" in line
    unknown = load_config("demo", None, {"data_root": tmp_path, "datasets": ["mnist", "folder:/nowhere/birds"]})
    with pytest.raises(DatasetsError, match="the folder /nowhere/birds"):
        find_datasets(unknown, only_plan=True)


def test_what_is_missing_can_be_left_out(tmp_path: Path, birds: Path) -> None:
    options = {"datasets": ["digits", "mnist", f"folder:{birds}"], "encoder": ["folder:birds=cnn,vit_b_32"]}
    config = load_config("demo", None, {"data_root": tmp_path, "skip_missing": True, **options})
    found, left_out = find_datasets(config)
    assert [each.key for each in found] == [("digits", "mlp"), ("folder:birds", "cnn")]
    assert left_out == [
        "mnist read by cnn (mnist missing) is left out",
        "folder:birds read by vit_b_32 (weights of vit_b_32 missing) is left out",
    ]
    assert "nothing is left" in fault(tmp_path, datasets=["mnist"], skip_missing=True)


def test_what_cannot_be_downloaded_is_listed_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.datasets.downloads.CUB200_URL", "http://127.0.0.1:9/CUB_200_2011.tgz")
    text = fault(tmp_path, datasets=["cub200"], encoder=["cub200=cnn"], download=True)
    assert "downloading cub200 failed (" in text
    assert "by hand: https://data.caltech.edu" in text


def test_what_is_wrong_is_listed_even_when_missing_things_are_skipped(tmp_path: Path, birds: Path) -> None:
    for path in (birds / "class03").iterdir():
        path.unlink()
    text = fault(tmp_path, datasets=[f"folder:{birds}", "mnist"], encoder=["folder:birds=cnn"], skip_missing=True)
    assert "class 'class03' needs at least 2 images, it has 0" in text


def test_splits_are_those_of_the_field_unless_asked_otherwise(tmp_path: Path, birds: Path, weights: Path) -> None:
    (tmp_path / "cub200").symlink_to(birds)
    options = {
        "datasets": ["cub200", f"folder:{birds}", "digits"],
        "encoder": ["cub200=resnet18", "folder:birds=cnn"],
        "weights": [f"resnet18={weights}"],
    }
    assert [found.split for found in datasets(tmp_path, **options)] == ["disjoint", "closed", "closed"]
    assert [r.split for r in datasets(tmp_path, split="disjoint", **options)] == ["disjoint", "disjoint", "closed"]
    assert [r.split for r in datasets(tmp_path, split="closed", **options)] == ["closed", "closed", "closed"]
    first = datasets(tmp_path, **options)[0]
    assert (first.input_shape, first.weights, first.classes, first.samples) == ((512,), weights, 8, 80)


def test_sentence_1_the_seed_fixes_the_test_part_where_the_dataset_has_none(tmp_path: Path, birds: Path) -> None:
    (tmp_path / "cub200").symlink_to(birds)
    names = ["synthetic", "digits", f"folder:{birds}", "cub200"]
    options: dict[str, Any] = {"datasets": names, "encoder": ["folder:birds=cnn", "cub200=cnn"]}
    shared = {found.dataset: found.shares_test for found in datasets(tmp_path, **options)}
    assert shared == {"synthetic": False, "digits": False, "folder:birds": False, "cub200": True}
    for split in ("closed", "disjoint"):
        found = datasets(tmp_path, **options, split=split)
        assert [each.shares_test for each in found[2:]] == [False, split == "disjoint"]


def test_a_folder_with_a_test_part_shares_it_in_the_split_that_it_fits(tmp_path: Path, birds: Path) -> None:
    """Classes on both sides make a closed split, and seeds draw a class-disjoint one. Others are class-disjoint."""

    def divided(name: str, in_test: Callable[[int, int], bool]) -> dict[str, Any]:
        for image in birds.glob("*/*.png"):
            part = "test" if in_test(int(image.parent.name[-2:]), int(image.stem)) else "train"
            place = tmp_path / name / part / image.parent.name
            place.mkdir(parents=True, exist_ok=True)
            (place / image.name).symlink_to(image)
        return {"datasets": [f"folder:{tmp_path / name}"], "encoder": [f"folder:{name}=cnn"]}

    by_image = divided("images", lambda label, number: number < 2)
    by_class = divided("classes", lambda label, number: label > 4)
    assert [found.shares_test for found in datasets(tmp_path, **by_image)] == [True]
    assert [found.shares_test for found in datasets(tmp_path, **by_image, split="disjoint")] == [False]
    assert [found.shares_test for found in datasets(tmp_path, **by_class, split="disjoint")] == [True]
    assert "use --split disjoint" in fault(tmp_path, **by_class)


def test_synthetic_draws_that_are_too_small_are_found_before_anything_is_drawn(tmp_path: Path) -> None:
    text = fault(tmp_path, datasets=["synthetic"], synthetic={"samples_per_class": 5})
    assert text.startswith("synthetic is too small: its validation part would hold 10 samples of 10")
    assert text.endswith("give it more classes or samples_per_class")


def test_batches_are_p_x_k_where_a_shuffled_one_would_hold_few_images_of_a_class(tmp_path: Path, birds: Path) -> None:
    options: dict[str, Any] = {"datasets": [f"folder:{birds}"], "encoder": ["folder:birds=cnn"]}

    def sampler(**more: Any) -> str:
        return datasets(tmp_path, **options, **more)[0].sampler

    assert sampler(batch_size=16) == "shuffle"  # two of each of 8 classes
    assert sampler(batch_size=15) == "pk"
    assert sampler(batch_size=8, split="disjoint") == "shuffle"  # two classes are trained on
    assert sampler(batch_size=15, sampler="shuffle") == "shuffle"
    assert sampler(sampler="pk") == "pk"
    assert "batches of 7 do not hold two" in fault(tmp_path, **options, batch_size=7)


def test_crops_and_flips_go_to_cnns_of_images_that_may_be_mirrored(tmp_path: Path, birds: Path, weights: Path) -> None:
    (tmp_path / "mnist").symlink_to(birds)
    found = datasets(
        tmp_path,
        datasets=["digits", "mnist", f"folder:{birds}"],
        encoder=["folder:birds=cnn,mlp,resnet18"],
        weights=[f"resnet18={weights}"],
        augment=True,
    )
    assert [each.key for each in found if each.augment] == [("folder:birds", "cnn")]


def test_half_a_dataset_is_as_good_as_none(tmp_path: Path, birds: Path) -> None:
    (tmp_path / "CUB_200_2011").mkdir()
    (tmp_path / "CUB_200_2011" / "images.txt").write_text("1 a/b.jpg\n")
    options = {"datasets": ["cub200", "digits"], "encoder": ["cub200=cnn"]}
    assert "CUB_200_2011/image_class_labels.txt (official layout)" in fault(tmp_path, **options)
    assert [found.dataset for found in datasets(tmp_path, **options, skip_missing=True)] == ["digits"]
    (tmp_path / "cub200").symlink_to(birds)
    assert [found.classes for found in datasets(tmp_path, **options)] == [8, 10]


def test_a_folder_that_is_too_small_is_found_before_anything_is_prepared(tmp_path: Path) -> None:
    folder = save_classes(tmp_path / "few", 6, 4)
    options = {"datasets": [f"folder:{folder}"], "encoder": ["folder:few=cnn"]}
    assert "6 classes: a class-disjoint split needs at least 7" in fault(tmp_path, **options, split="disjoint")


@needs_samples
def test_the_real_samples_are_found_in_their_official_layouts() -> None:
    names = ["mnist", "cub200", "cars196"]
    found = datasets(SAMPLES, datasets=names, encoder=[f"{name}=cnn" for name in names])
    assert [(r.samples, r.classes, r.input_shape) for r in found] == [
        (70_000, 10, (1, 28, 28)),
        (1342, 24, (3, 64, 64)),
        (1315, 32, (3, 64, 64)),
    ]
