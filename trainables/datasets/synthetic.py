"""Gaussian clusters with adjustable spread, label overlap and outliers (after arXiv 2510.02161, section 4)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from trainables.datasets.errors import DatasetError
from trainables.datasets.splits import TEST_SHARE, VALIDATION_SHARE, Dataset, divide
from trainables.random_streams import random_stream

RECIPE = 1  # raise it when the same options and seed must give other clusters
_DRAW, _SPLIT = "clusters", "closed"


@dataclass(frozen=True)
class SyntheticOptions:
    """How the clusters are drawn.

    Attributes:
        classes: Number of clusters.
        samples_per_class: Samples in each.
        dim: Dimension of a sample.
        separation: Standard deviation of a cluster centre's coordinates.
        spread: Standard deviation of a sample's coordinates around its centre.
        overlap: Share of the samples that lie in the cluster of another class.
        outliers: Share of the samples whose spread is five times as large.
    """

    classes: int = 10
    samples_per_class: int = 200
    dim: int = 128
    separation: float = 0.3
    spread: float = 1.0
    overlap: float = 0.05
    outliers: float = 0.02


@dataclass(frozen=True)
class ClusterDraws:
    """A dataset that each seed draws anew. It takes no memory: the samples are drawn where they are used.

    Attributes:
        name: Its name in the study; the draws depend on it.
        options: How the clusters are drawn.
        digest: Hash of what determines the draws of all seeds.
    """

    name: str
    options: SyntheticOptions
    digest: str

    @property
    def inputs_digest(self) -> str:
        """Empty: `digest` determines every bit of the inputs."""
        return ""

    @property
    def shares_test(self) -> bool:
        """Whether all seeds share one test part: never."""
        return False

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return (self.options.dim,)

    def draw(self, seed: int) -> Dataset:
        """The samples of one seed. The seed splits them as those of any other dataset."""
        inputs, labels = make_clusters(self.options, random_stream(self.name, seed, _DRAW))
        return Dataset(self.name, inputs, labels, _SPLIT, torch.arange(len(labels)), None, self.digest)


AnyDataset = Dataset | ClusterDraws


def cluster_draws(name: str, options: SyntheticOptions) -> ClusterDraws:
    """The clusters of all seeds, before any of them is drawn.

    Raises:
        DatasetError: If a draw would be too small to be split.
    """
    check_draws(name, options)
    shares = {"test": TEST_SHARE, "validation": VALIDATION_SHARE}
    family = {"drawn by the seed": name, "recipe": RECIPE, "stream": _DRAW, "shares": shares, **asdict(options)}
    digest = hashlib.sha256(json.dumps(family, sort_keys=True).encode()).hexdigest()[:16]
    return ClusterDraws(name, options, digest)


def check_draws(name: str, options: SyntheticOptions) -> None:
    """Checks the size of every part of a draw, without drawing it.

    Raises:
        DatasetError: If a part is too small for its metrics.
    """
    try:
        divide(name, _labels(options), _SPLIT)
    except DatasetError as error:
        raise DatasetError(f"{error}: give it more classes or samples_per_class") from None


def make_clusters(options: SyntheticOptions, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws inputs [N, dim] float32 and labels [N] int64."""
    labels = _labels(options)
    count = len(labels)
    centres = torch.randn(options.classes, options.dim, generator=generator) * options.separation
    other = (labels + torch.randint(1, options.classes, (count,), generator=generator)) % options.classes
    cluster = torch.where(torch.rand(count, generator=generator) < options.overlap, other, labels)
    outlier = torch.rand(count, generator=generator) < options.outliers
    spread = torch.where(outlier, 5.0 * options.spread, options.spread)
    noise = torch.randn(count, options.dim, generator=generator)
    return centres[cluster] + spread.unsqueeze(1) * noise, labels


def _labels(options: SyntheticOptions) -> Tensor:
    return torch.arange(options.classes).repeat_interleave(options.samples_per_class)
