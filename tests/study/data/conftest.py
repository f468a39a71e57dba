from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import get_model

from tests.trainables.images import save_classes


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A folder of 80 images in 8 classes."""
    return save_classes(tmp_path / "birds", 8, 10)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights for resnet18."""
    torch.save(get_model("resnet18", weights=None).state_dict(), tmp_path / "mine.pth")
    return tmp_path / "mine.pth"
