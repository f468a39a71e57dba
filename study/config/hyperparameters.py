"""What each loss of a study may take for its hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from analysis.comparison.pairing import DEFAULT_SETTING, USUAL, usual_value
from study.config import fields as f
from study.config.levels import Range, largest, may_be
from study.config.per_loss import PerLoss
from trainables.objectives.losses import LOSSES
from trainables.objectives.miners import MINERS

# Every hyperparameter that tuning chooses, and the field of a study with its values.
FIELD_OF = {
    "miner": "miners",
    "margin": "margins",
    "lr": "lrs",
    "weight_decay": "weight_decays",
    "batch_size": "batch_size",
    "embedding_dim": "embedding_dim",
    "normalize": "normalize",
}
# The fields of which each loss may have its own values.
PER_LOSS = tuple(FIELD_OF.values())


class Hyperparameters(BaseModel):
    """The losses of a study, and the values of their hyperparameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    losses: f.Losses = Field(description="any of " + ", ".join(LOSSES))
    miners: f.MinersPerLoss = Field(
        description=f"any of {', '.join(MINERS)}; or for each loss its own: {f.MINERS_EXAMPLE}"
    )
    margins: f.Margins = Field(
        description="on d or d^2, as the loss defines it: levels, or for a search a range such as 0.1..10; or for each "
        f"loss its own: {f.MARGINS_EXAMPLE}"
    )
    lrs: f.Rates = Field(
        description="learning rates of Adam: levels, or for a search a range such as 1e-4..1e-2; or for each loss its "
        f"own: {f.RATES_EXAMPLE}"
    )
    weight_decays: f.DecaysPerLoss = Field(
        default=USUAL["weight_decay"],
        description="decoupled weight decays of Adam: levels, or for a search a range such as 1e-6..1e-2; or for each "
        "loss its own (default: 0)",
    )
    batch_size: f.SizesPerLoss = Field(
        default=USUAL["batch_size"],
        description="samples in a batch; of several, tuning chooses one; or for each loss its own (default: 64)",
    )
    embedding_dim: f.DimensionsPerLoss = Field(
        default=USUAL["embedding_dim"],
        description="dimension of the embedding; of several, tuning chooses one; or for each loss its own "
        "(default: 128)",
    )
    normalize: f.AnswersPerLoss = Field(
        default=USUAL["normalize"],
        description="L2-normalise the embeddings; with 'false true' tuning chooses; or for each loss its own "
        "(default: false)",
    )

    @model_validator(mode="after")
    def _weights_that_shrink(self) -> Hyperparameters:
        for loss in self.losses:
            lr, decay = (max(map(largest, self.values_of(name).of(loss))) for name in ("lr", "weight_decay"))
            if lr * decay >= 1:
                raise ValueError(
                    f"a learning rate of {lr:g} with a weight decay of {decay:g} ({loss!r}) would take more from a "
                    "weight in each step than it has: lower --weight-decays or --lrs, so that their product is below 1"
                )
        return self

    def values_of(self, name: str) -> PerLoss[Any]:
        """The values of a hyperparameter, one of `FIELD_OF`."""
        values: PerLoss[Any] = getattr(self, FIELD_OF[name])
        return values

    def tried(self, loss: str) -> dict[str, tuple[Any, ...]]:
        """The values of every hyperparameter of a loss, by name."""
        return {name: self.values_of(name).of(loss) for name in FIELD_OF}

    def varies(self, name: str) -> bool:
        """Whether a hyperparameter has several values, for any loss."""
        own = [values for _, values in self.values_of(name).own]
        return any(len(values) > 1 or isinstance(values[0], Range) for values in own)

    @property
    def extreme_sizes(self) -> list[tuple[int, int]]:
        """The smallest and the largest batch size, each with the smallest and the largest embedding dimension."""
        batches, dims = ({min(values.all), max(values.all)} for values in (self.batch_size, self.embedding_dim))
        return [(batch, dim) for batch in sorted(batches) for dim in sorted(dims)]

    @property
    def default_setting(self) -> dict[str, Any] | None:
        """The default setting as every loss may take it, by hyperparameter; None where one of them may not."""
        return self.default_setting_of(self.losses)

    def default_setting_of(self, losses: Sequence[str]) -> dict[str, Any] | None:
        """The default setting as some losses may take it, by hyperparameter; None where one of them may not.

        What it leaves open is as `Comparison.at_default` reads it. A range of weight decays has none at its lower end.
        """
        chosen: dict[str, Any] = {}
        for name in FIELD_OF:
            wanted = getattr(DEFAULT_SETTING, name)
            own = [self.values_of(name).of(loss) for loss in losses]
            if wanted is None:
                common = set.intersection(*(_levels_or_zero(values) for values in own))
                if not common:
                    return None
                wanted = usual_value(name, common)
            elif not all(may_be(wanted, values) for values in own):
                return None
            chosen[name] = wanted
        return chosen


def _levels_or_zero(values: tuple[Any, ...]) -> set[Any]:
    """What the default setting may take of what it leaves open: a level, or none at all at the lower end of a range."""
    return {0.0 if isinstance(value, Range) else value for value in values}
