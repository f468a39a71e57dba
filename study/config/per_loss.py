"""Hyperparameters of each loss's own: what a user may write, and the one form that it becomes.

Losses need not share a scale: a margin that is wide for one is narrow for another.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from study.config.levels import Range
from trainables.objectives.losses import LOSSES

T = TypeVar("T")
EVERY = "every loss"  # the name under which plain values are checked, before they become those of each loss


@dataclass(frozen=True)
class PerLoss(Generic[T]):
    """The values of a hyperparameter that each loss tries.

    Attributes:
        own: Each loss with its values, in the order of the study's losses.
    """

    own: tuple[tuple[str, tuple[T, ...]], ...]

    def of(self, loss: str) -> tuple[T, ...]:
        """The values that a loss tries."""
        return dict(self.own)[loss]

    @property
    def all(self) -> tuple[T, ...]:
        """The values that any loss tries, each once."""
        return tuple(dict.fromkeys(value for _, values in self.own for value in values))

    @property
    def shared(self) -> tuple[T, ...] | None:
        """The values of every loss, or None where losses differ."""
        distinct = {values for _, values in self.own}
        return distinct.pop() if len(distinct) == 1 else None


@dataclass(frozen=True)
class EachLoss:
    """Has pydantic read a `PerLoss`: plain values for every loss, or a mapping of losses to values of their own.

    Attributes:
        values: Type of the values of one loss.
        example: What a user could write, for messages: `each_loss` makes it.
    """

    values: Any
    example: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema of a mapping of losses, with what is done before and after it is checked."""
        mapping = core_schema.dict_schema(core_schema.str_schema(), handler.generate_schema(self.values))
        return core_schema.no_info_before_validator_function(
            self._by_loss,
            core_schema.with_info_after_validator_function(_of_the_study, mapping),
            serialization=core_schema.plain_serializer_function_ser_schema(_as_written),
        )

    def _by_loss(self, value: Any) -> Any:
        if isinstance(value, PerLoss):
            return dict(value.own)
        if isinstance(value, Mapping):
            return {str(loss): values for loss, values in value.items()}
        items = value if isinstance(value, (list, tuple)) else [value]
        named: dict[str, list[str]] = {}
        plain = []
        for item in items:
            loss, sign, values = str(item).partition("=")
            if not sign or "," in loss:
                plain.append(item)
            elif loss and values:
                named.setdefault(loss, []).append(values)
            else:
                raise ValueError(f"{item!r} should be NAME=VALUES, as in {self.example}")
        if not named:
            return {EVERY: value}
        if plain:
            raise ValueError(
                f"{str(plain[0])!r} would be for every loss, and others are for one: give plain values alone, "
                f"or each loss its own with commas between them, as in {self.example}"
            )
        return named


def each_loss(*values: str) -> str:
    """An example of what a user may write: the first losses, each with values of its own."""
    return " ".join(f"{loss}={own}" for loss, own in zip(LOSSES, values, strict=False))


def _of_the_study(given: dict[str, tuple[T, ...]], info: ValidationInfo) -> PerLoss[T]:
    """Gives each loss of the study its values, in one form whatever was written."""
    losses = info.data.get("losses")
    if losses is None:  # they are wrong themselves, and that is what the user is told
        return PerLoss(tuple(given.items()))
    if set(given) == {EVERY}:
        return PerLoss(tuple((loss, given[EVERY]) for loss in losses))
    strange = next((loss for loss in given if loss not in losses), None)
    if strange is not None:
        nearest = difflib.get_close_matches(strange, losses, n=1)
        hint = f"did you mean {nearest[0]!r}? its losses are" if nearest else "its losses are"
        raise ValueError(f"the study has no loss {strange!r}: {hint} {', '.join(losses)}")
    lacking = next((loss for loss in losses if loss not in given), None)
    if lacking is not None:
        raise ValueError(
            f"no values for the loss {lacking!r}, and some for {', '.join(given) or 'no other'}: "
            "give each loss its own, or plain values for every loss"
        )
    return PerLoss(tuple((loss, given[loss]) for loss in losses))


def _as_written(values: PerLoss[T]) -> list[Any] | dict[str, list[Any]]:
    """The shortest form that a user could write."""
    if values.shared is not None:
        return _as_levels(values.shared)
    return {loss: _as_levels(own) for loss, own in values.own}


def _as_levels(values: tuple[T, ...]) -> list[Any]:
    return [str(value) if isinstance(value, Range) else value for value in values]
