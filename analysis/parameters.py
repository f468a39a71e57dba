"""What a run is described by: its parameters, and what each of them is to a comparison."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["dataset", "arm", "condition", "seed", "fixed"]
Value = str | int | float | bool


@dataclass(frozen=True)
class Parameter:
    """A parameter of a run, as records and MLflow hold it.

    Attributes:
        name: Its name.
        kind: Type of its values.
        role: ``"dataset"``; ``"arm"``, which is compared; ``"condition"``, which varies within an arm; ``"seed"``, the
            replicate; or ``"fixed"``: runs that differ in it answer different questions.
        default: Its value in runs that are older than the parameter; None if there are none.
        older_name: Its name in older records; None if it never changed.
    """

    name: str
    kind: type
    role: Role
    default: Value | None = None
    older_name: str | None = None

    def read(self, values: Mapping[str, object]) -> object | None:
        """Its value in a run's parameters, under its name or its older one; else its default."""
        for name in (self.name, self.older_name):
            if name is not None and name in values:
                return values[name]
        return self.default


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("dataset", str, "dataset"),
    Parameter("encoder", str, "fixed"),
    Parameter("split", str, "fixed", default="closed"),
    Parameter("loss", str, "arm"),
    Parameter("miner", str, "condition"),
    Parameter("margin", float, "condition"),
    Parameter("lr", float, "condition"),
    Parameter("weight_decay", float, "condition", default=0.0),
    Parameter("seed", int, "seed"),
    Parameter("epochs", int, "condition"),
    Parameter("batch_size", int, "condition"),
    Parameter("sampler", str, "fixed"),
    Parameter("samples_per_class", int, "fixed"),
    Parameter("embedding_dim", int, "condition"),
    Parameter("normalize", bool, "condition", older_name="normalized"),
    Parameter("augment", bool, "fixed", default=False, older_name="augmented"),
)


def with_role(role: Role) -> tuple[str, ...]:
    """Names of the parameters that play a role."""
    return tuple(parameter.name for parameter in PARAMETERS if parameter.role == role)


(ARM,) = with_role("arm")
CONDITION = with_role("condition")
# Each arm has values of its own of these, on its own scale. The other hyperparameters mean the same to all arms.
OWN_SCALE = ("margin", "lr", "weight_decay")


def value_text(value: object) -> str:
    """A value of a parameter as a user writes it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


# How the settings of a study were chosen. Those of a grid are every seed's; in a search each seed draws its own.
GRID = "grid"
SEARCHES = (GRID, "random", "sobol", "tpe")
WHOLE = "false"  # the tag `stopped` of a run that was trained to its last epoch


def stopping_epoch(tag: str) -> int:
    """The epoch at which a run was stopped, from its tag ``stopped``; 0 for one that was trained to its last epoch.

    Raises:
        ValueError: If the tag is neither ``"false"`` nor ``"epoch 6"`` or the like.
    """
    stopped = re.fullmatch(r"epoch ([1-9][0-9]{0,8})", tag)
    if stopped is None and tag != WHOLE:
        raise ValueError(f"neither {WHOLE!r} nor an epoch")
    return int(stopped[1]) if stopped else 0


# Tags of a run of a search: how many settings its search has tried once the round of this one is complete, and how many
# of them are then trained to their last epoch. None has what is trained beside a search's budget, or older than these.
ROUND_TAGS = ("round_settings", "round_whole")


def count_of_round(tag: str) -> int:
    """The number that a tag of `ROUND_TAGS` holds.

    Raises:
        ValueError: If it is no whole number of up to nine digits.
    """
    if re.fullmatch(r"0|[1-9][0-9]{0,8}", tag) is None:
        raise ValueError("no whole number of up to nine digits")
    return int(tag)


# Data with another digest are another dataset, even under the same name.
FIXED = (*with_role("fixed"), "data_digest")
