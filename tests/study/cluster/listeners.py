"""A listener for tests of packs in training."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainables.training.history import History


@dataclass
class Collected:
    """Keeps what is reported: the history of each pack, by position, in the order of their ends, and troubles."""

    histories: dict[int, History] = field(default_factory=dict)
    troubles: list[tuple[int, str]] = field(default_factory=list)

    def on_epoch(self, position: int, epoch: int) -> None:
        pass

    def on_result(self, position: int, history: History, seconds: float, device: str) -> None:
        assert position not in self.histories
        self.histories[position] = history

    def on_trouble(self, position: int, what: str) -> None:
        self.troubles.append((position, what))

    def on_failure(self, position: int) -> None:
        pass
