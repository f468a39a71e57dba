"""The result of training a pack: the metrics of each member by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from operator import add
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


@dataclass(repr=False)  # Tune formats every result as text, which is slow for arrays
class History:
    """Metrics of K members by epoch, and the epochs where members diverged.

    A member diverges at the first epoch with a loss that is not finite. `points` leaves out its metrics from this epoch
    on. It also leaves out a metric of a member completely if one of its values is not finite. Otherwise the value of an
    earlier epoch would be the last, and readers would take it for the final one. So NaN marks what a member has not.

    Attributes:
        members: K.
        diverged: The epoch where each member diverged, or None.
        sketches: A picture of each member's test embeddings, or None.
    """

    members: int
    diverged: list[int | None] = field(init=False)
    sketches: list[Sketch | None] = field(init=False)
    _values: dict[tuple[str, int], npt.NDArray[np.float64]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.diverged = [None] * self.members
        self.sketches = [None] * self.members

    def record(self, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        """Records one value [K] for each metric."""
        if not metrics:
            return
        stacked = torch.stack([values.double() for values in metrics.values()]).cpu().numpy()
        for name, values in zip(metrics, stacked, strict=True):
            self._values[name, epoch] = values

    def keep_sketch(self, member: int, points: Tensor, labels: Tensor) -> None:
        """Records a picture of one member's test embeddings, points [n, 2] and labels [n], if the points are finite."""
        if points.isfinite().all():
            x, y = points.unbind(1)
            self.sketches[member] = Sketch(x.tolist(), y.tolist(), labels.tolist())

    def check_divergence(self, epoch: int, losses: Sequence[str]) -> None:
        """Marks the members with a loss that is not finite, among the metrics that were recorded of an epoch."""
        finite = np.logical_and.reduce([np.isfinite(self._values[loss, epoch]) for loss in losses])
        for member in np.flatnonzero(~finite).tolist():
            if self.diverged[member] is None:
                self.diverged[member] = epoch

    def mean_over_epochs(self, metric: str) -> Tensor | None:
        """Mean [K] of a metric over the epochs that recorded it, or None if no epoch did.

        The epochs are added one by one: the order in which a sum over rows adds depends on the number of columns.
        """
        values = [values for (name, _), values in self._values.items() if name == metric]
        return torch.from_numpy(reduce(add, values) / len(values)) if values else None

    def state(self) -> dict[str, Any]:
        """The whole history as numbers, names and one tensor, for a snapshot."""
        values = torch.from_numpy(np.stack(list(self._values.values()))) if self._values else torch.empty(0)
        sketches = [asdict(sketch) if sketch else None for sketch in self.sketches]
        return {"keys": list(self._values), "values": values, "diverged": list(self.diverged), "sketches": sketches}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """The history from the result of `state`."""
        history = cls(len(state["diverged"]))
        history.diverged = list(state["diverged"])
        history.sketches = [Sketch(**sketch) if sketch else None for sketch in state["sketches"]]
        history._values = dict(zip(map(tuple, state["keys"]), state["values"].numpy(), strict=True))
        return history

    @classmethod
    def concatenate(cls, histories: Sequence[History]) -> History:
        """The history of the members of several packs with one structure, in their order."""
        result = cls(sum(history.members for history in histories))
        result.diverged = [epoch for history in histories for epoch in history.diverged]
        result.sketches = [sketch for history in histories for sketch in history.sketches]
        for key in histories[0]._values:
            result._values[key] = np.concatenate([history._values[key] for history in histories])
        return result

    def points(self, member: int) -> Iterator[tuple[str, int, float]]:
        """(metric, epoch, value) of one member, in the order of recording; see the class for what is left out."""
        end = self.diverged[member]
        recorded = [
            (metric, epoch, float(values[member]))
            for (metric, epoch), values in self._values.items()
            if end is None or epoch < end
        ]
        not_finite = {metric for metric, _, value in recorded if not np.isfinite(value)}
        yield from (point for point in recorded if point[0] not in not_finite)
