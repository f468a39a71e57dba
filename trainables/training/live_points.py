"""What is new of the metrics of a pack in training, for those who watch it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainables.training.snapshots import Snapshot
from trainables.training.within_memory import histories_in


@dataclass(frozen=True, repr=False)  # Tune formats every result as text, which is slow for arrays
class LivePoints:
    """Metrics of k neighbouring members of a pack.

    Attributes:
        first: The first of these members.
        keys: Metric and epoch of each row.
        values: [n, k] float64. NaN marks what a member has not.
    """

    first: int
    keys: tuple[tuple[str, int], ...]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class LiveReport:
    """What a trial tells of a pack in training.

    Attributes:
        points: What is new; all that there is when a trial tells it first.
        seconds: Since the trial began.
        device: Name of the device that trains it.
    """

    points: tuple[LivePoints, ...]
    seconds: float
    device: str


class NewPoints:
    """Finds what was recorded since it was last asked."""

    def __init__(self, members: int) -> None:
        """Knows nothing yet.

        Args:
            members: Of the pack.
        """
        self._members = members
        self._rows: dict[int, int] = {}  # given already, by first member

    def in_snapshot(self, snapshot: Snapshot) -> Iterator[LivePoints]:
        """The new points in a snapshot of `train_within_memory`."""
        for first, state in histories_in(snapshot, self._members):
            known = self._rows.get(first, 0)
            keys = tuple((metric, epoch) for metric, epoch in state["keys"][known:])
            if keys:
                self._rows[first] = known + len(keys)
                values = state["values"].numpy()[known:].copy()
                for member, end in enumerate(state["diverged"]):
                    if end is not None:
                        values[[epoch >= end for _, epoch in keys], member] = np.nan
                yield LivePoints(first, keys, values)
