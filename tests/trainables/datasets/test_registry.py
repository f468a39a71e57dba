"""What the name of a dataset implies."""

from __future__ import annotations

import pytest
import torch

from trainables.datasets.downloads import DOWNLOADS
from trainables.datasets.official import OFFICIAL
from trainables.datasets.registry import DATASET_INFOS, DatasetInfo, Vectors, load_vectors, vector_shape
from trainables.datasets.splits import Dataset
from trainables.datasets.synthetic import SyntheticOptions

OF_VECTORS = [name for name, info in DATASET_INFOS.items() if info.vectors]


def test_every_dataset_is_drawn_or_of_vectors_or_of_images() -> None:
    kinds = {name: (info.drawn, info.vectors is not None, name in OFFICIAL) for name, info in DATASET_INFOS.items()}
    assert {name: kind for name, kind in kinds.items() if sum(kind) != 1} == {}
    assert {name for name, info in DATASET_INFOS.items() if info.channels} == OFFICIAL.keys() >= DOWNLOADS.keys()


@pytest.mark.parametrize("name", OF_VECTORS)
def test_vectors_have_the_size_that_is_known_without_loading_them(name: str) -> None:
    dataset = load_vectors(name)
    assert isinstance(dataset, Dataset)
    samples, classes, dim = vector_shape(name, SyntheticOptions())
    assert (dataset.inputs.shape, dataset.inputs.dtype) == ((samples, dim), torch.float32)
    assert torch.equal(dataset.labels.unique(), torch.arange(classes))


def test_each_dataset_of_vectors_is_loaded_by_its_own_function(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.arange(4).repeat_interleave(10)
    ramps = Vectors(40, 4, 3, lambda: (labels.unsqueeze(1) * torch.ones(3), labels))
    monkeypatch.setitem(DATASET_INFOS, "ramps", DatasetInfo(("mlp",), channels=0, vectors=ramps))
    assert vector_shape("ramps", SyntheticOptions()) == (40, 4, 3)
    assert load_vectors("ramps").input_shape == (3,)
