"""What verdicts are about: metrics with their family, scale and smallest difference worth naming, and estimands."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

Family = Literal["primary", "mechanism", "secondary"]
Scale = Literal["share", "log", "epochs"]
Estimand = Literal["tuned", "grid average", "default setting"]

# Each arm with the hyperparameters chosen for it; the mean over a balanced grid of conditions; and each arm with the
# setting that is used where nothing is tuned. Never merged.
TUNED: Estimand = "tuned"
GRID_AVERAGE: Estimand = "grid average"
AT_DEFAULT: Estimand = "default setting"
PERFORMANCE: tuple[Family, ...] = ("primary", "secondary")

# The region of practical equivalence on each scale. One epoch is the resolution at which a decay time is measured.
ROPE: dict[Scale, float] = {"share": 0.01, "log": math.log(1.1), "epochs": 1.0}


@dataclass(frozen=True)
class Metric:
    """A metric of a finished run.

    Attributes:
        name: What it is called in code: in data frames, CSV files and options.
        title: What it is called where people read it: in a report's tables and figures.
        column: Under which name a run records it.
        family: Tests are corrected for each other within a family.
        scale: ``"log"`` metrics are compared by their logarithm and reported as ratios.
        censored_by: Column that is 1 where the value is only a lower bound, or None.
        judged: Whether it has verdicts. Others are shown beside them: each more test makes all of a family harder to
            reject.
        own_rope: A half-width of its own of the region of practical equivalence, instead of its scale's.
    """

    name: str
    title: str
    column: str
    family: Family
    scale: Scale
    censored_by: str | None = None
    judged: bool = True
    own_rope: float | None = None

    @property
    def rope(self) -> float:
        """Half-width of the region of practical equivalence, on the scale of the test."""
        return ROPE[self.scale] if self.own_rope is None else self.own_rope


METRICS: tuple[Metric, ...] = (
    Metric("map_at_r", "MAP@R", "test/map_at_r", "primary", "share"),
    Metric("intra_variance", "intra-class variance", "test/intra_variance", "mechanism", "log"),
    Metric("inter_variance", "inter-class variance", "test/inter_variance", "mechanism", "log"),
    Metric(
        "intra_variance_normalized",
        "intra-class variance (normalised)",
        "test/intra_variance_normalized",
        "mechanism",
        "log",
    ),
    Metric(
        "inter_variance_normalized",
        "inter-class variance (normalised)",
        "test/inter_variance_normalized",
        "mechanism",
        "log",
    ),
    Metric("variance_ratio", "variance ratio (intra / inter)", "test/variance_ratio", "mechanism", "log"),
    Metric("active_negatives", "active negatives", "train/active_negatives_mean", "mechanism", "share"),
    Metric(
        "active_negative_anchors",
        "anchors with active negatives",
        "train/active_negative_anchors_mean",
        "mechanism",
        "share",
    ),
    Metric("active_ratio", "active terms", "train/active_ratio_mean", "mechanism", "share", judged=False),
    Metric("active_anchors", "active anchors", "train/active_anchors_mean", "mechanism", "share", judged=False),
    Metric("grad_norm", "gradient norm", "train/grad_norm_mean", "mechanism", "log"),
    Metric(
        "loss_decay_epochs",
        "loss decay time",
        "train/loss_decay_epochs",
        "mechanism",
        "epochs",
        "train/loss_decay_censored",
    ),
    Metric("recall_at_1", "Recall@1", "test/recall_at_1", "secondary", "share"),
    Metric("linear_accuracy", "linear accuracy", "test/linear_accuracy", "secondary", "share"),
    Metric("recall_at_2", "Recall@2", "test/recall_at_2", "secondary", "share", judged=False),
    Metric("recall_at_4", "Recall@4", "test/recall_at_4", "secondary", "share", judged=False),
    Metric("recall_at_8", "Recall@8", "test/recall_at_8", "secondary", "share", judged=False),
    Metric("knn_accuracy", "kNN accuracy", "test/knn_accuracy", "secondary", "share", judged=False),
)

BY_NAME = {metric.name: metric for metric in METRICS}
TITLES = {metric.name: metric.title for metric in METRICS}
SELECTION = "val/map_at_r"  # by which settings are chosen, at the last epoch
SCORE = BY_NAME["map_at_r"]  # what advice, budgets and settings are about: the primary metric


def title_of(name: str) -> str:
    """How people read a metric's name; a name that is none of `METRICS` as it is.

    Examples:
        >>> title_of("map_at_r"), title_of("my score")
        ('MAP@R', 'my score')
    """
    return TITLES.get(name, name)


def score_of(metrics: Iterable[Metric]) -> Metric:
    """`SCORE` among some metrics, with their region of practical equivalence."""
    return next(metric for metric in metrics if metric.name == SCORE.name)


def with_own_rope(metrics: Iterable[Metric]) -> list[Metric]:
    """The metrics whose region of practical equivalence is not that of their scale."""
    return [metric for metric in metrics if metric.rope != ROPE[metric.scale]]


def metrics_with(rope: Mapping[str, float] | None) -> tuple[Metric, ...]:
    """`METRICS`, some of them with a region of practical equivalence of one's own.

    Args:
        rope: Half-widths by the metrics' names: shares as shares (0.02 is 2 points), decay times in epochs, and for
            what is compared by its logarithm the factor (1.2). The other metrics keep that of their scale.

    Raises:
        ValueError: If a name is no metric's; if a share is not between 0 and 1, a factor not above 1, or a number of
            epochs not above 0; or if one is not finite.

    Examples:
        >>> {metric.name: metric.rope for metric in metrics_with({"recall_at_1": 0.02})}["recall_at_1"]
        0.02
    """
    own = {name: _own_rope(name, value) for name, value in (rope or {}).items()}
    return tuple(replace(metric, own_rope=own.get(metric.name)) for metric in METRICS)


def _own_rope(name: str, value: float) -> float:
    """A half-width on the scale of the metric's test."""
    if name not in BY_NAME:
        nearest = difflib.get_close_matches(name, BY_NAME, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ValueError(f"unknown metric {name!r}: {hint}choose from {', '.join(BY_NAME)}")
    scale = BY_NAME[name].scale
    above, below, what = _LIMITS[scale]
    if not above < value < below:
        raise ValueError(f"the region of practical equivalence of {name} must be {what}, not {value:g}")
    return math.log(value) if scale == "log" else float(value)


LARGEST = 1e100  # of what is recorded: a run that diverges gives up to 1e39, and its fourth power must still be finite
_ROUNDING = 1e-6  # by which a recorded metric may leave its range

# Between which values a half-width lies as a user gives it, and what it is in words.
_LIMITS: dict[Scale, tuple[float, float, str]] = {
    "share": (0.0, 1.0, "a share between 0 and 1 (0.02 is 2 points)"),
    "log": (1.0, math.inf, "a finite factor above 1 (1.2 is a fifth more)"),
    "epochs": (0.0, math.inf, "a finite number of epochs above 0"),
}


@lru_cache(maxsize=1024)  # it is asked for every metric of every run
def metric_range(column: str) -> tuple[float, float]:
    """Between which values a recorded metric lies, in any part and as a mean over the epochs; `LARGEST` where unknown.

    Examples:
        >>> metric_range("val/map_at_r"), metric_range("train/loss_decay_epochs"), metric_range("train/loss")
        ((0.0, 1.0), (0.0, 1e+100), (-1e+100, 1e+100))
    """
    return _RANGES.get(_root(column), (-LARGEST, LARGEST))


def is_in_range(column: str, value: float) -> bool:
    """Whether a recorded metric may have a value, but for rounding."""
    least, most = metric_range(column)
    return least - _ROUNDING <= value <= most + _ROUNDING


def _root(column: str) -> str:
    return column.rpartition("/")[2].removesuffix("_mean")


_RANGES: dict[str, tuple[float, float]] = {
    **{_root(metric.column): (0.0, 1.0 if metric.scale == "share" else LARGEST) for metric in METRICS},
    **{_root(metric.censored_by): (0.0, 1.0) for metric in METRICS if metric.censored_by is not None},
    "collapsed_epoch": (0.0, LARGEST),
    "satisfied_epoch": (0.0, LARGEST),
}
