"""From runs to paired differences: one number a seed and arm, averaged over a balanced grid of conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.comparison.arms import ArmPair
from analysis.metrics import Metric
from analysis.parameters import ARM, CONDITION, FIXED, GRID, OWN_SCALE, ROUND_TAGS, Value, value_text

FLOOR = 1e-12  # smaller values count as this before the logarithm: a collapsed embedding has a variance of zero

# What tables lack that are older than these columns.
_OLDER: dict[str, str | float] = {"search": GRID, "stopped_at": 0, "weight_decay": 0.0, **dict.fromkeys(ROUND_TAGS, 0)}

Floats = npt.NDArray[np.float64]
Seed = int | str


class Condition(NamedTuple):
    """A run without its seed and its arm. The last five are None where no other value was tried."""

    miner: str
    margin: float
    lr: float
    weight_decay: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    embedding_dim: int | None = None
    normalize: bool | None = None

    @property
    def others(self) -> tuple[str, ...]:
        """What follows the learning rate, in words."""
        values = {name: getattr(self, name) for name in OPEN}
        return tuple(value_words(name, value) for name, value in values.items() if value is not None)

    def __str__(self) -> str:
        """In words."""
        return ", ".join((self.miner, f"margin {self.margin:g}", f"lr {self.lr:g}", *self.others))


def value_words(name: str, value: Value) -> str:
    """A value of a hyperparameter in words: ``margin 1``, ``50 epochs``, ``normalised``."""
    if name == "normalize":
        return "normalised" if value else "not normalised"
    if name == "epochs":
        return f"{value} epochs"
    return f"{name.replace('_', ' ')} {value_text(value)}"


# What a loss is run with where nothing is tuned, for any number of epochs. It is also the setting of arXiv 2510.02161,
# section 4. Where several were tried of what it leaves open, these are usual.
DEFAULT_SETTING = Condition("all", 1.0, 1e-3)
OPEN = tuple(name for name, value in DEFAULT_SETTING._asdict().items() if value is None)
USUAL: dict[str, Any] = {"weight_decay": 0.0, "batch_size": 64, "embedding_dim": 128, "normalize": False}


def usual_value(name: str, values: Collection[Value]) -> Value:
    """Of several values of a hyperparameter that the default setting leaves open: the usual one, else the largest.

    Of weight decays it is the smallest, which is next to the usual one.
    """
    if name in USUAL and USUAL[name] in values:
        usual: Value = USUAL[name]
        return usual
    return min(values) if name in OWN_SCALE else max(values)  # type: ignore[type-var]


@dataclass(frozen=True)
class PairedSample:
    """One metric on one dataset.

    Attributes:
        first: (n,) a value for each complete seed, on the scale of the test (logarithms for ``"log"`` metrics).
        second: (n,) the same for the other arm, in the same order of seeds.
        seeds: How many seeds there should be; those that are not among the n are missing or were dropped whole.
        diverged: Share of diverged runs for each arm.
        censored: Share of censored runs for each arm; zeros for metrics that are not censored.
    """

    first: Floats
    second: Floats
    seeds: int
    diverged: tuple[float, float] = (0.0, 0.0)
    censored: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def empty(cls, diverged: tuple[float, float] = (0.0, 0.0)) -> PairedSample:
        """No seed at all."""
        return cls(np.empty(0), np.empty(0), 0, diverged)

    @property
    def differences(self) -> Floats:
        """(n,) first minus second."""
        return self.first - self.second

    @property
    def missing_share(self) -> float:
        """Share of the seeds that are missing or were dropped."""
        return 1.0 - len(self.first) / self.seeds if self.seeds else 1.0


def by_dataset(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs of each dataset; a dataset that was studied in several ways has an entry for each.

    Runs that differ in encoder, split and the like answer different questions and are never averaged: such a dataset
    appears once for each way, named for example ``digits (encoder=linear)``. A table from before there were searches is
    one of grids, whose runs were all trained to the end, without weight decay.
    """
    if runs.empty:
        return {}
    runs = runs.assign(**{name: value for name, value in _OLDER.items() if name not in runs})
    result = {}
    for dataset, rows in runs.groupby("dataset", sort=True):
        varying = [name for name in FIXED if rows[name].nunique() > 1]
        if not varying:
            result[str(dataset)] = rows
            continue
        for _, part in rows.groupby(varying, sort=True):
            label = ", ".join(f"{name}={part[name].iloc[0]}" for name in _label_columns(rows, varying))
            result[f"{dataset} ({label})"] = part
    return result


def _label_columns(rows: pd.DataFrame, varying: list[str]) -> list[str]:
    """The columns for a label. A digest is left out if the other columns tell the ways apart."""
    others = [name for name in varying if name != "data_digest"]
    return others if others and rows.groupby(others).ngroups == rows.groupby(varying).ngroups else varying


def seeds_of(rows: pd.DataFrame) -> list[Seed]:
    """The seeds of some runs, in the order in which they come first."""
    return list(rows["seed"].unique().tolist())


def is_default(rows: pd.DataFrame) -> pd.Series:
    """(runs,) whether a run has the `DEFAULT_SETTING`, whatever that leaves open."""
    wanted = {name: value for name, value in DEFAULT_SETTING._asdict().items() if value is not None}
    found: pd.Series = rows[list(wanted)].eq(pd.Series(wanted)).all(axis=1)
    return found


def has_repeats(rows: pd.DataFrame) -> bool:
    """Whether a condition stands more than once under one seed and arm. Then it is unknown which run to read."""
    return _repeat(rows, [ARM, "seed", *CONDITION])


def _repeat(rows: pd.DataFrame, columns: Sequence[str]) -> bool:
    """Whether some values stand in these columns more than once; for few rows much faster than in pandas."""
    return len(set(row_tuples(rows, columns))) < len(rows)


def row_tuples(rows: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The values of each row in some columns; for few rows much faster than through an index."""
    return zip(*(rows[name].tolist() for name in columns), strict=True)


def balanced_grid(rows: pd.DataFrame, arms: ArmPair) -> pd.DataFrame:
    """The runs of conditions that can be averaged for both arms.

    Miners, numbers of epochs, batch sizes and the like of one arm only are left out. With the others, each arm has its
    own margins, learning rates and weight decays, if both arms have equally many with each. Otherwise only the
    conditions that both arms have are kept.
    """
    kept = _balanced_conditions(rows, arms)
    conditions = zip(rows[ARM].tolist(), row_tuples(rows, CONDITION), strict=True)
    return rows[np.array([arm in kept and condition in kept[arm] for arm, condition in conditions], dtype=bool)]


def unmatched_conditions(rows: pd.DataFrame, arms: ArmPair) -> list[str]:
    """The conditions that `balanced_grid` leaves out, in words."""
    kept = _balanced_conditions(rows, arms)
    named = [name for name in OPEN if rows[name].nunique() > 1]
    return [
        f"{arm} {condition.miner} "
        + " ".join(f"{name}={value_text(getattr(condition, name))}" for name in ("margin", "lr", *named))
        for arm in arms
        for condition in sorted(_conditions(rows, arm) - kept[arm])
    ]


def _balanced_conditions(rows: pd.DataFrame, arms: ArmPair) -> dict[str, set[Condition]]:
    """The conditions of each arm that `balanced_grid` keeps."""
    first, second = (_conditions(rows, arm) for arm in arms)
    shared = {_of_both(condition) for condition in first} & {_of_both(condition) for condition in second}
    own = [{condition for condition in conditions if _of_both(condition) in shared} for conditions in (first, second)]
    counts = [Counter(_of_both(condition) for condition in conditions) for conditions in own]
    kept = own if counts[0] == counts[1] else [first & second] * 2
    return dict(zip(arms, kept, strict=True))


def _of_both(condition: Condition) -> tuple[Value | None, ...]:
    """What conditions of two arms that are averaged have in common."""
    return tuple(value for name, value in condition._asdict().items() if name not in OWN_SCALE)


def _conditions(rows: pd.DataFrame, arm: str) -> set[Condition]:
    return {
        Condition(*values)
        for own, values in zip(rows[ARM].tolist(), row_tuples(rows, CONDITION), strict=True)
        if own == arm
    }


class SeedTable:
    """The runs of one dataset laid out by seed and by arm and condition, once for all metrics."""

    def __init__(
        self, rows: pd.DataFrame, arms: ArmPair, seeds: Collection[Seed] = (), by: Sequence[str] = CONDITION
    ) -> None:
        """Lays out runs of both arms, not empty.

        Args:
            rows: The runs.
            arms: Both arms.
            seeds: Those that there should be; the seeds of the runs always count.
            by: What tells the runs of one seed and arm apart; nothing if there is only one.

        Raises:
            ValueError: If a condition stands more than once under one seed and arm.
        """
        if _repeat(rows, [ARM, "seed", *by]):
            raise ValueError("a condition stands more than once under one seed and arm: pair runs of one kind")
        self._rows = rows
        self._arms = arms
        self._arm_of_run = rows[ARM].to_numpy()
        self._diverged = rows["diverged"].to_numpy(dtype=bool)
        self._cells = rows.groupby([ARM, *by]).ngroup().to_numpy()
        self._seeds, names = pd.factorize(rows["seed"], sort=True)
        self._shape = len(names), int(self._cells.max()) + 1
        self._expected = len({*names, *seeds})
        self._arm_of_cell = np.empty(self._shape[1], dtype=object)
        self._arm_of_cell[self._cells] = self._arm_of_run

    def sample(self, metric: Metric) -> PairedSample:
        """Averages a metric over the conditions of each seed and pairs the arms.

        Conditions are not replicates: they share their seed's data, weights and batches. A seed counts only if every
        condition of both arms ended well with a finite value; otherwise it is dropped whole, for both arms.
        """
        rows, ended = self._rows, ~self._diverged
        diverged = self._of_both(self._diverged, np.ones(len(rows), dtype=bool))
        censored = (0.0, 0.0)
        if metric.censored_by in rows:
            censored = self._of_both(rows[metric.censored_by].to_numpy(float), ended)

        table = np.full(self._shape, np.nan)
        if metric.column in rows:
            values = rows[metric.column].to_numpy(float)
            values = np.where(ended & np.isfinite(values), values, np.nan)
            table[self._seeds, self._cells] = np.log(np.maximum(values, FLOOR)) if metric.scale == "log" else values
        complete = table[~np.isnan(table).any(axis=1)]
        first, second = (complete[:, self._arm_of_cell == arm].mean(axis=1) for arm in self._arms)
        return PairedSample(first, second, self._expected, diverged, censored)

    def _of_both(self, values: npt.NDArray[Any], among: npt.NDArray[np.bool_]) -> tuple[float, float]:
        first, second = (_mean(values[(self._arm_of_run == arm) & among]) for arm in self._arms)
        return first, second


def _mean(values: npt.NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
