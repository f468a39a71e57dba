"""What is known of the runs of a pack while it trains, and how much of it was shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.store.record_schema import RunDescription
from study.recording.database.runs import Point
from trainables.training.live_points import LivePoints


@dataclass(frozen=True)
class LiveUpdate:
    """News of a pack in training.

    Attributes:
        pack: Its id.
        started: When it began, in milliseconds since 1970, as its record will say.
        runs: Its runs.
        points: Their new metrics. Some may have been told before.
    """

    pack: str
    started: int
    runs: tuple[RunDescription, ...]
    points: Sequence[LivePoints]


class LivePack:
    """All that was told of a pack in training.

    Attributes:
        started: When it began, in milliseconds since 1970.
        runs: Its runs.
    """

    def __init__(self, first: LiveUpdate) -> None:
        self.started = first.started
        self.runs = first.runs
        self._told: list[LivePoints] = []
        self._shown = 0
        self._known: dict[tuple[str, int], npt.NDArray[np.bool_]] = {}

    def add(self, points: Sequence[LivePoints]) -> None:
        """Takes in news. What is known already stays: a training that begins anew gives it again."""
        for each in points:
            columns = slice(each.first, each.first + each.values.shape[1])
            values = each.values.copy()
            for row, key in zip(values, each.keys, strict=True):
                known: npt.NDArray[np.bool_] = self._known.setdefault(key, np.zeros(len(self.runs), dtype=bool))[
                    columns
                ]
                row[known] = np.nan
                known |= np.isfinite(row)
            kept = np.flatnonzero(np.isfinite(values).any(axis=1))
            if len(kept):
                self._told.append(LivePoints(each.first, tuple(each.keys[row] for row in kept), values[kept]))

    @property
    def has_news(self) -> bool:
        """Whether something is not shown yet."""
        return self._shown < len(self._told)

    def known(self, member: int) -> list[Point]:
        """Metric, epoch and value of all points of a member; values are finite, and no point is there twice."""
        return _points(self._told, member)

    def shown(self, member: int) -> list[Point]:
        """Those that are shown."""
        return _points(self._told[: self._shown], member)

    def news(self, member: int) -> list[Point]:
        """Those that are not."""
        return _points(self._told[self._shown :], member)

    def all_shown(self) -> None:
        """Everything is shown."""
        self._shown = len(self._told)


def _points(told: Sequence[LivePoints], member: int) -> list[Point]:
    return [
        (metric, epoch, value)
        for points in told
        if 0 <= member - points.first < points.values.shape[1]
        for (metric, epoch), value in zip(points.keys, points.values[:, member - points.first].tolist(), strict=True)
        if math.isfinite(value)
    ]
