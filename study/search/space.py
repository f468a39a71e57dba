"""The space of one arm: what each of its hyperparameters may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from study.config.default_ranges import widest_on_sphere
from study.config.hyperparameters import FIELD_OF
from study.config.levels import Range
from study.config.model import StudyConfig
from study.planning.grid import Setting

Own = Range | tuple[Any, ...]
_ALWAYS = ("margin", "lr", "miner")  # coordinates of every study, in this order
_ON_SPHERE = "margin (normalized)"  # Optuna's name of the margin where its range depends on the normalisation


@dataclass(frozen=True)
class Space:
    """What the hyperparameters of one loss may be: one of several values each, or any of a range.

    Attributes:
        own: Each hyperparameter of a `Setting` with its values.
        coordinates: The hyperparameters that a point of the unit cube has a coordinate for. They are the same for all
            losses of a study, so that these stand at the same points.
        widest_on_sphere: The margin beyond which normalised embeddings need not be searched.
        in_groups: Whether TPE takes apart what not all settings have; the same for all losses of a study. The margin of
            one of them may have another range where embeddings are normalised, and there goes by another name.
    """

    own: tuple[tuple[str, Own], ...]
    coordinates: tuple[str, ...]
    widest_on_sphere: float
    in_groups: bool = False

    def at(self, point: Sequence[float]) -> Setting:
        """The setting at a point of the unit cube. A range is measured on a log scale; choices have equal shares."""
        shares = dict(zip(self.coordinates, point, strict=True))
        values = {name: _value(own, shares.get(name, 0.0)) for name, own in self.own if name != "margin"}
        return Setting(margin=_value(self._margins(values["normalize"]), shares["margin"]), **values)

    def middle(self) -> Setting:
        """The setting in the middle of the cube."""
        return self.at([0.5] * len(self.coordinates))

    def suggested(self, trial: Trial) -> Setting:
        """The setting that a sampler of Optuna's suggests, with numbers of six significant digits."""
        values = {name: _value(own, 0.0) for name, own in self.own}
        if self.is_conditional:  # the range of the margin depends on it
            values["normalize"] = trial.suggest_categorical("normalize", self._of("normalize"))
        for name, (key, own) in self._varying(values["normalize"]).items():
            if isinstance(own, Range):
                values[name] = own.nearest(trial.suggest_float(key, own.low, own.high, log=True))
            else:
                values[name] = trial.suggest_categorical(key, own)
        return Setting(**values)

    def distributions(self, setting: Setting) -> dict[str, BaseDistribution]:
        """The part of the space in which a setting lies, in Optuna's terms. What cannot vary is left out."""
        return {
            key: FloatDistribution(own.low, own.high, log=True)
            if isinstance(own, Range)
            else CategoricalDistribution(own)
            for key, own in self._varying(setting.normalize).values()
        }

    def params(self, setting: Setting) -> dict[str, Any]:
        """A setting in Optuna's terms."""
        varying = self._varying(setting.normalize).items()
        values = {key: (own, getattr(setting, name)) for name, (key, own) in varying}
        # The default setting may lie outside: it has no weight decay.
        return {key: own.nearest(value) if isinstance(own, Range) else value for key, (own, value) in values.items()}

    @property
    def is_conditional(self) -> bool:
        """Whether the margin has another range where embeddings are normalised."""
        return self._margins(True) != self._margins(False)

    def _of(self, name: str) -> Any:
        return dict(self.own)[name]

    def _margins(self, normalized: bool) -> Own:
        """What the margin may be. Where normalisation is a choice, it ends where it is of no more use on the sphere."""
        margins: Own = self._of("margin")
        bounded = normalized and len(self._of("normalize")) > 1 and isinstance(margins, Range)
        if not bounded or not margins.low < self.widest_on_sphere < margins.high:  # type: ignore[union-attr]
            return margins
        return Range(margins.low, self.widest_on_sphere)  # type: ignore[union-attr]

    def _varying(self, normalized: bool) -> dict[str, tuple[str, Own]]:
        """What can vary, in the order of the coordinates: Optuna's name, and the values."""
        varying: dict[str, tuple[str, Own]] = {}
        for name in self.coordinates:
            own = self._margins(normalized) if name == "margin" else self._of(name)
            if isinstance(own, Range) or len(own) > 1:
                on_sphere = name == "margin" and normalized and self.is_conditional
                varying[name] = (_ON_SPHERE if on_sphere else name, own)
        return varying


def space_of(config: StudyConfig, loss: str) -> Space:
    """What a loss may take in a study."""
    coordinates = (*_ALWAYS, *(name for name in FIELD_OF if name not in _ALWAYS and config.varies(name)))
    own = tuple((name, _range_or_levels(values)) for name, values in config.tried(loss).items())
    return Space(own, coordinates, widest_on_sphere(loss), in_groups=config.varies("normalize"))


def _range_or_levels(values: tuple[Any, ...]) -> Own:
    """The configuration has refused several ranges, and ranges beside levels."""
    return values[0] if isinstance(values[0], Range) else values


def _value(own: Own, share: float) -> Any:
    if isinstance(own, Range):
        return own.at(share)
    return own[min(int(share * len(own)), len(own) - 1)]
