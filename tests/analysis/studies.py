"""Simulated studies: tables of runs with known effects, as `load_study` gives them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.metrics import METRICS


def simulated_runs(
    rng: np.random.Generator,
    seeds: int = 10,
    datasets: Sequence[str] = ("digits",),
    miners: Sequence[str] = ("all", "hard"),
    margins: Sequence[float] = (0.2, 1.0),
    effect: float = 0.0,
    seed_noise: float = 0.02,
    pair_noise: float = 0.01,
    run_noise: float = 0.002,
) -> pd.DataFrame:
    """Runs whose every metric is 0.5 + noise, and `effect` more for the triplet loss.

    `seed_noise` is shared by both losses of a seed, `pair_noise` by all conditions of a seed and loss: the noise that
    makes pooled conditions look independent when they are not.
    """
    rows = []
    for dataset in datasets:
        shared = rng.normal(0, seed_noise, seeds)
        by_loss = {loss: rng.normal(0, pair_noise, seeds) for loss in ("contrastive", "triplet")}
        for loss, miner, margin, seed in itertools.product(by_loss, miners, margins, range(seeds)):
            value = 0.5 + shared[seed] + by_loss[loss][seed] + rng.normal(0, run_noise)
            value += effect if loss == "triplet" else 0.0
            row = {
                "key": f"{dataset}-{loss}-{miner}-{margin}-{seed}",
                "dataset": dataset,
                "encoder": "mlp",
                "split": "closed",
                "loss": loss,
                "miner": miner,
                "margin": margin,
                "lr": 1e-3,
                "seed": seed,
                "weight_decay": 0.0,
                "epochs": 50,
                "batch_size": 64,
                "sampler": "shuffle",
                "samples_per_class": 4,
                "embedding_dim": 128,
                "normalize": False,
                "augment": False,
                "diverged": False,
                "stopped_at": 0,
                "search": "grid",
                "pack": "p",
                "code_version": "1",
                "data_digest": dataset,
                "inputs_digest": "",
                "device": "cpu",
                "test_part": "drawn",
            }
            row.update({metric.column: value for metric in METRICS})
            row["val/map_at_r"] = value
            row["train/loss_decay_censored"] = 0.0
            rows.append(row)
    return pd.DataFrame(rows)


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a verdict table whose metric has verdicts."""
    return table[table["verdict"] != "shown"]


def with_one_metric(runs: pd.DataFrame, column: str = "test/map_at_r") -> pd.DataFrame:
    """The runs without the other metrics of verdicts: for tests that read one of many studies and have little time."""
    return runs.drop(columns=[metric.column for metric in METRICS if metric.column != column])
