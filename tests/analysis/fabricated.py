"""Fabricated studies whose truth is known: the quality of each setting of each arm, and noise as real runs have it.

A run's quality is that of its setting and what its seed, its seed and arm, and chance add; validation and test scores
are that and noise of their own. So what looks best on validation data is partly luck, as in a real search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.metrics import METRICS, PERFORMANCE, SELECTION, Metric

Floats = npt.NDArray[np.float64]
ARMS = ("contrastive", "triplet")
MARGINS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
SEEDS = 13
LEVEL = 0.8


@dataclass(frozen=True)
class Noise:
    """Standard deviations, as shares.

    Attributes:
        seed: Of what a seed adds to every run, of either arm.
        arm: Of what it adds to every run of one arm.
        run: Of what chance adds to the quality of each run.
        validation: Of the validation score about that quality.
        test: Of the test score about it.
    """

    seed: float
    arm: float
    run: float
    validation: float
    test: float

    def times(self, factor: float) -> Noise:
        """All of it, louder or quieter."""
        return Noise(*(factor * getattr(self, one.name) for one in fields(self)))


# As measured on 13 seeds of `synthetic` with margins from 0.1 to 30: tuned differences with a standard deviation of 1.0
# points (on digits 0.9). LOUD ones, of 2.0 points, are seldom equivalent: what names an arm by chance is seen best.
REAL = Noise(seed=0.012, arm=0.006, run=0.0035, validation=0.005, test=0.002)
LOUD = REAL.times(2)
TIED: Floats = np.zeros((2, len(MARGINS)))
NEARLY_TIED: Floats = np.tile([-0.002, 0.0, 0.001, 0.001, 0.0, -0.002], (2, 1))
# One arm whose settings are nearly tied, and one with a single good setting.
UNEQUAL: Floats = np.array([NEARLY_TIED[0], [-0.06, -0.03, -0.004, 0.004, -0.03, -0.06]])


def qualities(rng: np.random.Generator, quality: Floats, seeds: int, noise: Noise) -> Floats:
    """The quality of every run of one dataset, [arms, seeds, settings], from that of the settings [arms, settings]."""
    shape = len(quality), seeds, quality.shape[1]
    common = rng.normal(0, noise.seed, (1, seeds, 1)) + rng.normal(0, noise.arm, (len(quality), seeds, 1))
    return np.asarray(quality[:, None, :] + common + rng.normal(0, noise.run, shape))


def fabricated_runs(
    rng: np.random.Generator,
    quality: Floats = NEARLY_TIED,
    datasets: int = 2,
    noise: Noise = REAL,
    metrics: Sequence[Metric] = METRICS,
) -> pd.DataFrame:
    """The runs of a study of `ARMS` at `MARGINS` on `SEEDS` seeds, as `load_study` gives them.

    Args:
        rng: What chance is drawn from.
        quality: [arms, settings] of each setting, about `LEVEL`.
        datasets: How many there are, all alike.
        noise: Of the runs.
        metrics: Those that the runs have, the first one being what `quality` is about. The other performance metrics
            follow it by half and have as much noise of their own; all others are noise about a level that follows the
            margin, with log scales ten times as noisy.
    """
    one, names = _described(), [f"data{dataset}" for dataset in range(datasets)]
    parts: list[dict[str, Floats]] = []
    for _ in names:
        true = qualities(rng, quality, SEEDS, noise)
        values: dict[str, Floats] = {SELECTION: LEVEL + true + rng.normal(0, noise.validation, true.shape)}
        for metric in metrics:
            values[metric.column] = _values(rng, metric, metric is metrics[0], true, noise)
            if metric.censored_by:
                values[metric.censored_by] = np.zeros(true.shape)
        parts.append(values)
    described: dict[str, Any] = {str(name): np.tile(one[name].to_numpy(), datasets) for name in one}
    measured = {name: np.concatenate([part[name].ravel() for part in parts]) for name in parts[0]}
    dataset = np.repeat(names, len(one))
    return pd.DataFrame({**described, **measured, "dataset": dataset, "data_digest": dataset})


def true_difference(rng: np.random.Generator, quality: Floats, noise: Noise = REAL, seeds: int = 400_000) -> float:
    """The expected test difference, second arm minus first, where each seed tunes each arm on its validation data."""
    true = qualities(rng, quality, seeds, noise)
    chosen = np.argmax(true + rng.normal(0, noise.validation, true.shape), axis=2)
    test = np.take_along_axis(true, chosen[..., None], axis=2)[..., 0]
    return float(np.mean(test[1] - test[0]))


def _values(rng: np.random.Generator, metric: Metric, is_first: bool, true: Floats, noise: Noise) -> Floats:
    if is_first:
        return np.asarray(LEVEL + true + rng.normal(0, noise.test, true.shape))
    still = np.zeros((true.shape[0], true.shape[2]))
    own = qualities(rng, still, true.shape[1], noise)
    if metric.family in PERFORMANCE:
        return np.asarray(LEVEL + 0.5 * true + own + rng.normal(0, noise.test, true.shape))
    by_margin = np.log(MARGINS)
    if metric.scale == "log":
        return np.exp(by_margin + 10 * own)
    if metric.scale == "epochs":
        return np.asarray(np.round(20 - 2 * by_margin + 200 * own).clip(1, 50))
    return np.asarray(0.4 + 0.05 * by_margin + own)


@cache
def _described() -> pd.DataFrame:
    """The runs of one dataset without their metrics: arms, then seeds, then margins."""
    grid = pd.MultiIndex.from_product([ARMS, range(SEEDS), MARGINS], names=["loss", "seed", "margin"])
    fixed: dict[str, Any] = {
        **{"encoder": "mlp", "split": "closed", "miner": "all", "lr": 1e-3, "weight_decay": 0.0},
        **{"epochs": 50, "batch_size": 64},
        **{"sampler": "shuffle", "samples_per_class": 4, "embedding_dim": 128, "normalize": False, "augment": False},
        **{"diverged": False, "stopped_at": 0, "search": "grid", "pack": "p", "code_version": "1", "device": "cpu"},
    }
    described = grid.to_frame(index=False).assign(**fixed)
    keys = described[["loss", "seed", "margin"]].astype(str).agg("-".join, axis=1)
    return described.assign(key=keys)
