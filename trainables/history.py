"""What a pack leaves behind: metrics by epoch for each member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

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


@dataclass(repr=False)  # Tune formats what it is told, and an array's text takes longer than its numbers
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

    def mean_over_epochs(self, metric: str) -> Tensor | None:
        """Mean [K] of a metric over the epochs that recorded it; None where none did."""
        values = [values for (name, _), values in self._values.items() if name == metric]
        return torch.from_numpy(np.stack(values)).mean(0) if values else None

    def state(self) -> dict[str, Any]:
        """All of it as numbers, names and one tensor."""
        values = torch.from_numpy(np.stack(list(self._values.values()))) if self._values else torch.empty(0)
        sketches = [asdict(sketch) if sketch else None for sketch in self.sketches]
        return {"keys": list(self._values), "values": values, "diverged": list(self.diverged), "sketches": sketches}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """The history that `state` was taken of."""
        history = cls(len(state["diverged"]))
        history.diverged = list(state["diverged"])
        history.sketches = [Sketch(**sketch) if sketch else None for sketch in state["sketches"]]
        history._values = dict(zip(map(tuple, state["keys"]), state["values"].numpy(), strict=True))
        return history

    @classmethod
    def joined(cls, parts: Sequence[History]) -> History:
        """The history of all members of packs of one structure, in order."""
        history = cls(sum(part.members for part in parts))
        history.diverged = [epoch for part in parts for epoch in part.diverged]
        history.sketches = [sketch for part in parts for sketch in part.sketches]
        for key in parts[0]._values:
            history._values[key] = np.concatenate([part._values[key] for part in parts])
        return history

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
