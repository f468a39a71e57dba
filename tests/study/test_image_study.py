"""Studies of images, from the command to the verdicts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchvision.models import get_model

from analysis import load_study, verdicts
from study.run import main
from tests.trainables.images import SAMPLES, needs_samples, save_classes


def study(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "study.run", "--preset", "demo", "--storage", str(folder), "--name", "images"]
    folders = ["--cache", str(folder / "cache"), "--data-root", str(SAMPLES)]
    grid = ["--miners", "all", "--margins", "0.5"]
    return subprocess.run([*command, *folders, *grid, *options], capture_output=True, text=True, check=False)


def refused(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The errors of a study that ends before anything is trained; in this process, which has all modules."""
    folders = ["--storage", str(folder), "--cache", str(folder / "cache")]
    assert main(["--preset", "demo", "--name", "images", *folders, *options]) == 2
    return capsys.readouterr().err


def weights(folder: Path, backbone: str) -> str:
    torch.manual_seed(0)
    torch.save(get_model(backbone, weights=None).state_dict(), folder / f"{backbone}.pth")
    return f"{backbone}={folder / backbone}.pth"


def test_a_folder_of_ones_own_is_studied_with_two_encoders(tmp_path: Path) -> None:
    birds = save_classes(tmp_path / "birds", 8, 8)
    size = ["--seeds", "3", "--epochs", "2", "--batch-size", "12"]
    options = ["--datasets", f"folder:{birds}", "--split", "disjoint", *size]
    encoders = ["--encoder", "folder:birds=cnn,resnet18", "--weights", weights(tmp_path, "resnet18"), "--augment"]
    done = study(tmp_path, *options, *encoders)
    assert done.returncode == 0, done.stderr
    for part in ("folder:birds (cnn, class-disjoint)", "folder:birds (resnet18, class-disjoint)"):
        assert part in done.stdout
    assert "preparing folder:birds for resnet18: 64/64 images" in done.stderr
    runs = load_study("images", tmp_path)
    assert len(runs) == 12
    assert runs[["split", "sampler"]].drop_duplicates().to_numpy().tolist() == [["disjoint", "shuffle"]]
    assert set(zip(runs["encoder"], runs["augment"], strict=True)) == {("cnn", True), ("resnet18", False)}
    table = verdicts(runs)
    assert set(table["n"]) == {3}
    assert all("encoder=cnn" in name or "encoder=resnet18" in name for name in table["dataset"])
    assert not any("digest" in name for name in table["dataset"])
    again = study(tmp_path, *options, *encoders)
    assert "Nothing to train" in again.stdout
    assert "preparing" not in again.stderr


def test_what_is_missing_stops_a_study_before_it_leaves_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    errors = refused(tmp_path / "results", capsys, "--datasets", "digits", "cifar10", "--data-root", str(tmp_path))
    assert "2 of the study's files are missing:" in errors
    assert not list((tmp_path / "results").rglob("*.parquet"))


def test_a_broken_image_stops_a_study_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    birds = save_classes(tmp_path / "birds", 8, 8)
    first = birds / "class00" / "0.png"
    first.write_bytes(first.read_bytes()[:100])
    errors = refused(tmp_path / "results", capsys, "--datasets", f"folder:{birds}", "--encoder", "folder:birds=cnn")
    assert f"error: {first} is broken or no image" in errors


@needs_samples
@pytest.mark.slow
def test_the_real_samples_run_to_a_verdict(tmp_path: Path) -> None:
    """MNIST with a CNN for one epoch; CUB-200 and CARS196 with a CNN and a ViT."""
    names = ["mnist=cnn", "cub200=cnn,vit_b_32", "cars196=cnn,vit_b_32+mlp"]
    done = study(
        tmp_path,
        *["--datasets", "mnist", "cub200", "cars196", "--encoder", *names, "--epochs", "1", "--seeds", "8"],
        *["--weights", weights(tmp_path, "vit_b_32")],
    )
    assert done.returncode == 0, done.stderr
    runs = load_study("images", tmp_path)
    assert len(runs) == 5 * 16
    assert set(verdicts(runs)["n"]) == {8}
    assert (runs.loc[runs["dataset"] == "mnist", "test/recall_at_1"] > 0.9).all()
