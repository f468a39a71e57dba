"""Runs, packs and datasets for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.config.model import StudyConfig, load_config
from study.data.sources import EncodedDataset, find_datasets
from study.planning.grid import Run, expand
from study.planning.packing import make_packs
from trainables.pack import Pack

VIT = EncodedDataset("cub200", "vit_b_32", "disjoint", "pk", False, 11_788, 200, (768,))
CNN = EncodedDataset("cifar10", "cnn", "closed", "shuffle", False, 60_000, 10, (3, 32, 32))


def example(**options: Any) -> StudyConfig:
    """A study whose losses share all that they try: keys of its runs are written down in the tests."""
    shared = {"miners": ["all", "semihard", "hard"], "margins": [0.2, 1.0], "lrs": [1e-3]}
    return load_config("demo", None, {"name": "demo", **shared, **options})


def runs_of(**options: Any) -> list[Run]:
    """The runs of the example with some options."""
    config = example(**options)
    return expand(config, find_datasets(config)[0])


def packs_of(config: StudyConfig, datasets: Sequence[EncodedDataset]) -> list[Pack]:
    """The packs of a study of these datasets, none of which has results."""
    return [planned.pack for planned in make_packs(expand(config, datasets), set(), 20, 2, {})]
