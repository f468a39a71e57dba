"""The space of one arm: what each of its hyperparameters may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from study.config.levels import Level, Range, levels
from study.config.model import StudyConfig
from study.planning.grid import Setting

T = TypeVar("T")
DIMENSIONS = 3  # of the unit cube: one for each field of a setting, for every arm alike


@dataclass(frozen=True)
class Space:
    """What the miner, the margin and the learning rate of one loss may be: one of several, or any of a range."""

    miner: tuple[str, ...]
    margin: Range | tuple[float, ...]
    lr: Range | tuple[float, ...]

    def at(self, point: Sequence[float]) -> Setting:
        """The setting at a point of the unit cube. A range is measured on a log scale; choices have equal shares."""
        margin, lr, miner = point
        return Setting(_chosen(self.miner, miner), _number(self.margin, margin), _number(self.lr, lr))

    def distributions(self) -> dict[str, BaseDistribution]:
        """The space in Optuna's terms. What cannot vary is left out."""
        fields = {"margin": self.margin, "lr": self.lr, "miner": self.miner}
        return {
            name: FloatDistribution(own.low, own.high, log=True)
            if isinstance(own, Range)
            else CategoricalDistribution(own)
            for name, own in fields.items()
            if isinstance(own, Range) or len(own) > 1
        }

    def params(self, setting: Setting) -> dict[str, float | str]:
        """A setting in Optuna's terms."""
        return {name: getattr(setting, name) for name in self.distributions()}

    def setting(self, params: dict[str, float | str]) -> Setting:
        """The setting of some parameters in Optuna's terms, with numbers of six significant digits."""
        lowest = self.at([0.0] * DIMENSIONS)._asdict()
        rounded = {name: self._rounded(name, value) for name, value in params.items()}
        return Setting(**{**lowest, **rounded})

    def _rounded(self, name: str, value: float | str) -> float | str:
        own = getattr(self, name)
        return own.nearest(float(value)) if isinstance(own, Range) else value


def space_of(config: StudyConfig, loss: str) -> Space:
    """What a loss may take in a study."""
    margins, lrs = (_range_or_levels(values.of(loss)) for values in (config.margins, config.lrs))
    return Space(config.miners.of(loss), margins, lrs)


def _range_or_levels(values: Sequence[Level]) -> Range | tuple[float, ...]:
    """The configuration has refused several ranges, and ranges beside levels."""
    ranges = [level for level in values if isinstance(level, Range)]
    return ranges[0] if ranges else levels(values)


def _number(own: Range | tuple[float, ...], share: float) -> float:
    return own.at(share) if isinstance(own, Range) else _chosen(own, share)


def _chosen(own: tuple[T, ...], share: float) -> T:
    return own[min(int(share * len(own)), len(own) - 1)]
