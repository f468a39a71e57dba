"""Small image datasets made for a test, and the folder of the real samples."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SAMPLES = Path(os.environ.get("STUDY_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample data: set STUDY_TEST_DATA to their folder")


def save(path: Path, seed: int, mode: str = "RGB", size: tuple[int, int] = (20, 14)) -> Path:
    """One image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def save_classes(root: Path, classes: int, each: int, side: int = 16) -> Path:
    """Classes of noisy squares that differ in colour, as ``<root>/<class>/*.png``."""
    rng = np.random.default_rng(0)
    for label in range(classes):
        colour = rng.integers(40, 215, 3)
        for number in range(each):
            pixels = (colour + rng.normal(0, 25, (side, side, 3))).clip(0, 255).astype(np.uint8)
            path = root / f"class{label:02d}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root
