"""From runs to paired differences: one number a seed and loss, averaged over a balanced grid of conditions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.metrics import Metric

LOSSES = ("triplet", "contrastive")
CONDITION = ("miner", "margin", "lr")
FIXED = (
    "encoder",
    "split",
    "epochs",
    "batch_size",
    "sampler",
    "samples_per_class",
    "embedding_dim",
    "normalized",
    "augmented",
    "data_digest",
)
FLOOR = 1e-12  # logarithms of smaller values are taken here: a collapsed embedding has no variance at all

Floats = npt.NDArray[np.float64]
Seed = int | str


@dataclass(frozen=True)
class PairedSample:
    """One metric on one dataset.

    Attributes:
        triplet: (n,) a value for each complete seed, on the scale of the test (logarithms for ``"log"`` metrics).
        contrastive: (n,) the same for the other loss, in the same order of seeds.
        seeds: How many seeds there should be; those that are not among the n are missing or were dropped whole.
        diverged: Share of diverged runs for each loss.
        censored: Share of censored runs for each loss; zeros for metrics that are not censored.
    """

    triplet: Floats
    contrastive: Floats
    seeds: int
    diverged: dict[str, float]
    censored: dict[str, float]

    @classmethod
    def empty(cls) -> PairedSample:
        """No seed at all."""
        nothing = np.empty(0)
        return cls(nothing, nothing, 0, dict.fromkeys(LOSSES, 0.0), dict.fromkeys(LOSSES, 0.0))

    @property
    def differences(self) -> Floats:
        """(n,) triplet minus contrastive."""
        return self.triplet - self.contrastive

    @property
    def missing_share(self) -> float:
        """Share of the seeds that are missing or were dropped."""
        return 1.0 - len(self.triplet) / self.seeds if self.seeds else 1.0


def settings(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs of each dataset, apart where a dataset was studied in more than one way.

    Runs that differ in encoder, epochs, batch size and the like answer different questions and are never averaged: such
    a dataset appears once for each way, named for example ``digits (epochs=10)``.
    """
    if runs.empty:
        return {}
    result = {}
    for dataset, rows in runs.groupby("dataset", sort=True):
        varying = [name for name in FIXED if rows[name].nunique() > 1]
        if not varying:
            result[str(dataset)] = rows
            continue
        for _, part in rows.groupby(varying, sort=True):
            label = ", ".join(f"{name}={part[name].iloc[0]}" for name in _telling(rows, varying))
            result[f"{dataset} ({label})"] = part
    return result


def _telling(rows: pd.DataFrame, varying: list[str]) -> list[str]:
    """The columns that a label needs: a digest says nothing that the others do not say better."""
    others = [name for name in varying if name != "data_digest"]
    return others if others and rows.groupby(others).ngroups == rows.groupby(varying).ngroups else varying


def study_seeds(rows: pd.DataFrame) -> list[Seed]:
    """The seeds that either loss was run with."""
    return list(rows.loc[rows["loss"].isin(LOSSES), "seed"].unique().tolist())


def repeats(rows: pd.DataFrame) -> bool:
    """Whether a condition stands more than once under one seed and loss, so that nothing tells which run to read."""
    return bool(rows.duplicated(["loss", "seed", *CONDITION]).any())


def balanced_grid(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs whose condition both losses have: what exists for one loss only stays out."""
    shared = set.intersection(*_conditions(rows).values())
    matched = pd.MultiIndex.from_frame(rows[list(CONDITION)]).isin(shared)
    return rows[matched & rows["loss"].isin(LOSSES)]


def unmatched_conditions(rows: pd.DataFrame) -> list[str]:
    """The conditions that `balanced_grid` leaves out, in words."""
    conditions = _conditions(rows)
    return [
        f"{loss} {miner} margin={margin:g} lr={lr:g}"
        for loss, other in (LOSSES, LOSSES[::-1])
        for miner, margin, lr in sorted(conditions[loss] - conditions[other])
    ]


def _conditions(rows: pd.DataFrame) -> dict[str, set[tuple[str, float, float]]]:
    return {
        loss: set(rows.loc[rows["loss"] == loss, list(CONDITION)].itertuples(index=False, name=None)) for loss in LOSSES
    }


def pair_by_seed(rows: pd.DataFrame, metric: Metric) -> PairedSample:
    """`SeedTable.sample` of one metric."""
    return SeedTable(rows).sample(metric)


class SeedTable:
    """The runs of one dataset laid out by seed and by loss and condition, once for all metrics."""

    def __init__(self, rows: pd.DataFrame, seeds: Collection[Seed] = ()) -> None:
        """Takes runs of one setting, not empty, and the seeds that there should be; those of the runs always count.

        Raises:
            ValueError: If a condition stands more than once under one seed and loss.
        """
        if repeats(rows):
            raise ValueError("a condition stands more than once under one seed and loss: pair the runs of one setting")
        self._rows = rows
        self._losses = rows["loss"].to_numpy()
        self._diverged = rows["diverged"].to_numpy(dtype=bool)
        self._cells = rows.groupby(["loss", *CONDITION]).ngroup().to_numpy()
        self._seeds, names = pd.factorize(rows["seed"], sort=True)
        self._shape = len(names), int(self._cells.max()) + 1
        self._expected = len({*names, *seeds})
        self._loss_of_cell = np.empty(self._shape[1], dtype=object)
        self._loss_of_cell[self._cells] = self._losses

    def sample(self, metric: Metric) -> PairedSample:
        """Averages a metric over the conditions of each seed and pairs the losses.

        Conditions are not replicates: they share their seed's data, weights and batches. A seed counts only if every
        condition of both losses ended well with a finite value; otherwise it is dropped whole, for both losses.
        """
        rows, ended = self._rows, ~self._diverged
        diverged = {loss: _mean(self._diverged[self._losses == loss]) for loss in LOSSES}
        censored = dict.fromkeys(LOSSES, 0.0)
        if metric.censored_by in rows:
            flags = rows[metric.censored_by].to_numpy(float)
            censored = {loss: _mean(flags[(self._losses == loss) & ended]) for loss in LOSSES}

        table = np.full(self._shape, np.nan)
        if metric.column in rows:
            values = rows[metric.column].to_numpy(float)
            values = np.where(ended & np.isfinite(values), values, np.nan)
            table[self._seeds, self._cells] = np.log(np.maximum(values, FLOOR)) if metric.scale == "log" else values
        complete = table[~np.isnan(table).any(axis=1)]
        triplet, contrastive = (complete[:, self._loss_of_cell == loss].mean(axis=1) for loss in LOSSES)
        return PairedSample(triplet, contrastive, self._expected, diverged, censored)


def _mean(values: npt.NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
