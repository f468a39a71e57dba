"""The metrics that verdicts are about: their family, their scale, and the smallest difference worth naming."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Family = Literal["primary", "mechanism", "secondary"]
Scale = Literal["share", "log", "epochs"]

# The region of practical equivalence on each scale. One epoch is the resolution at which a decay time is measured.
ROPE: dict[Scale, float] = {"share": 0.01, "log": math.log(1.1), "epochs": 1.0}


@dataclass(frozen=True)
class Metric:
    """A metric of a finished run.

    Attributes:
        name: What it is called in a verdict table.
        column: Under which name a run records it.
        family: Tests are corrected for each other within a family.
        scale: ``"log"`` metrics are compared by their logarithm and reported as ratios.
        censored_by: Column that is 1 where the value is only a lower bound, or None.
    """

    name: str
    column: str
    family: Family
    scale: Scale
    censored_by: str | None = None

    @property
    def rope(self) -> float:
        """Half-width of the region of practical equivalence, on the scale of the test."""
        return ROPE[self.scale]


METRICS: tuple[Metric, ...] = (
    Metric("map_at_r", "test/map_at_r", "primary", "share"),
    Metric("intra_variance", "test/intra_variance", "mechanism", "log"),
    Metric("inter_variance", "test/inter_variance", "mechanism", "log"),
    Metric("intra_variance_normalized", "test/intra_variance_normalized", "mechanism", "log"),
    Metric("inter_variance_normalized", "test/inter_variance_normalized", "mechanism", "log"),
    Metric("variance_ratio", "test/variance_ratio", "mechanism", "log"),
    Metric("active_ratio", "train/active_ratio_mean", "mechanism", "share"),
    Metric("active_anchors", "train/active_anchors_mean", "mechanism", "share"),
    Metric("grad_norm", "train/grad_norm_mean", "mechanism", "log"),
    Metric("loss_decay_epochs", "train/loss_decay_epochs", "mechanism", "epochs", "train/loss_decay_censored"),
    Metric("recall_at_1", "test/recall_at_1", "secondary", "share"),
    Metric("recall_at_2", "test/recall_at_2", "secondary", "share"),
    Metric("recall_at_4", "test/recall_at_4", "secondary", "share"),
    Metric("recall_at_8", "test/recall_at_8", "secondary", "share"),
    Metric("knn_accuracy", "test/knn_accuracy", "secondary", "share"),
    Metric("linear_accuracy", "test/linear_accuracy", "secondary", "share"),
)
