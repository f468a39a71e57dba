"""A listener for tests of packs in training."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainables.training.history import History
from trainables.training.live_points import LiveReport


@dataclass
class Collected:
    """Keeps what is reported: the history of each pack, by position, in the order of their ends, troubles, and news."""

    histories: dict[int, History] = field(default_factory=dict)
    troubles: list[tuple[int, str]] = field(default_factory=list)
    lives: list[tuple[int, LiveReport]] = field(default_factory=list)

    def on_epoch(self, position: int, epoch: int) -> None:
        pass

    def on_live(self, position: int, report: LiveReport) -> None:
        self.lives.append((position, report))

    def on_result(self, position: int, history: History, seconds: float, device: str) -> None:
        assert position not in self.histories
        self.histories[position] = history

    def on_trouble(self, position: int, what: str) -> None:
        self.troubles.append((position, what))

    def on_failure(self, position: int) -> None:
        pass
