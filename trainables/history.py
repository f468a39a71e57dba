"""What a pack leaves behind: metrics by epoch for each member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sketch:
    """Samples of an embedding in two dimensions."""

    x: list[float]
    y: list[float]
    label: list[int]


@dataclass
class History:
    """Metrics of K members by epoch, and when a member diverged.

    A member has diverged from the first epoch whose loss is not finite; nothing of it is kept from then on. A metric
    that is not finite at some epoch is not kept at all for that member: its last value would be that of an earlier
    epoch, and be taken for the final one.
    """

    members: int
    diverged: list[int | None] = field(init=False)
    sketches: list[Sketch | None] = field(init=False)
    _values: dict[tuple[str, int], npt.NDArray[np.float64]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.diverged = [None] * self.members
        self.sketches = [None] * self.members

    def record(self, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        """Keeps one value [K] a metric."""
        if not metrics:
            return
        stacked = torch.stack([values.double() for values in metrics.values()]).cpu().numpy()
        for name, values in zip(metrics, stacked, strict=True):
            self._values[name, epoch] = values

    def keep_sketches(self, points: Tensor, labels: Tensor) -> None:
        """Keeps a picture of each member's test embeddings: points [K, n, 2] and labels [n]."""
        for member, mine in enumerate(points.cpu()):
            if mine.isfinite().all():
                self.sketches[member] = Sketch(mine[:, 0].tolist(), mine[:, 1].tolist(), labels.tolist())

    def check_divergence(self, epoch: int, losses: Tensor) -> None:
        """Marks the members whose loss [K] is not finite."""
        for member in (~losses.isfinite()).nonzero().flatten().tolist():
            if self.diverged[member] is None:
                self.diverged[member] = epoch

    def points(self, member: int) -> Iterator[tuple[str, int, float]]:
        """(metric, epoch, value) of one member, in the order recorded."""
        end = self.diverged[member]
        kept = [
            (metric, epoch, float(values[member]))
            for (metric, epoch), values in self._values.items()
            if end is None or epoch < end
        ]
        broken = {metric for metric, _, value in kept if not np.isfinite(value)}
        yield from (point for point in kept if point[0] not in broken)
