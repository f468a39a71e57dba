"""Runs, packs and datasets for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.config.loading import load_config
from study.config.model import StudyConfig
from study.data.sources import EncodedDataset, find_datasets
from study.planning.grid import Run, expand
from study.planning.work import Work
from study.search.cohorts import cohorts

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


def work_of(config: StudyConfig, datasets: Sequence[EncodedDataset]) -> list[Work]:
    """All that a study of these datasets trains."""
    return [work for cohort in cohorts(config, datasets) for work in cohort.in_all]
