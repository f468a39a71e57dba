"""Fabricated studies whose seeds draw their own settings, as `load_study` gives them, perhaps with halving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.metrics import METRICS, SELECTION, Metric
from tests.analysis.fabricated import ARMS, LEVEL, REAL, SEEDS, Floats, Noise, qualities

RANGES = {"contrastive": (0.1, 1024.0), "triplet": (0.03, 4096.0)}
LRS = (1e-4, 1e-2)
MINERS = ("all", "semihard", "hard")
RUNGS = (6, 17)
EARLIER = 3.0  # how much louder a validation score is at a rung
Response = Callable[[str, Floats, Floats], Floats]
"""What a setting adds to the quality of an arm's runs, by where its margin and its rate are in their ranges, 0 to 1."""


def flat(arm: str, margin: Floats, rate: Floats) -> Floats:
    """All settings alike."""
    return np.zeros_like(margin)


def searched_runs(
    rng: np.random.Generator,
    settings: int = 9,
    datasets: int = 1,
    search: str = "random",
    rungs: Sequence[int] = (),
    response: Response = flat,
    noise: Noise = REAL,
    seeds: int = SEEDS,
    metrics: Sequence[Metric] = METRICS[:1],
    miners: Sequence[str] = MINERS,
) -> pd.DataFrame:
    """The runs of a study of `ARMS`. Both arms stand at the same points of the ranges, which each seed draws.

    Args:
        rng: What chance is drawn from.
        settings: How many each seed draws; a power of 3 where it halves.
        datasets: How many there are, all alike.
        search: How settings are said to be chosen.
        rungs: Epochs at which the best third goes on, by a noisier score.
        response: Of the arms.
        noise: Of the runs.
        seeds: How many.
        metrics: Those that whole runs have, each of them a test score.
        miners: What is drawn from.
    """
    parts = [
        _of_dataset(rng, f"data{one}", settings, search, rungs, response, noise, seeds, metrics, miners)
        for one in range(datasets)
    ]
    return pd.concat(parts, ignore_index=True)


def rounds_of_runs(rng: np.random.Generator, rounds: int = 3, size: int = 9, rungs: Sequence[int] = ()) -> pd.DataFrame:
    """The runs of a search that went on in rounds, of one bracket each where it halves; without a default setting."""
    whole = size // 3 ** len(rungs)
    parts = []
    for end in range(1, rounds + 1):
        part = searched_runs(rng, settings=size, rungs=rungs, search="sobol")
        key = f"{end}-" + part["key"]
        parts.append(part.assign(key=key, round_settings=end * size, round_whole=end * whole))
    return pd.concat(parts, ignore_index=True)


def _of_dataset(
    rng: np.random.Generator,
    dataset: str,
    settings: int,
    search: str,
    rungs: Sequence[int],
    response: Response,
    noise: Noise,
    seeds: int,
    metrics: Sequence[Metric],
    miners: Sequence[str],
) -> pd.DataFrame:
    shape = seeds, settings
    margin, rate = rng.random(shape), rng.random(shape)
    miner = rng.integers(0, len(miners), shape)
    true = qualities(rng, np.zeros((len(ARMS), settings)), seeds, noise)
    true += np.stack([response(arm, margin, rate) for arm in ARMS])
    alive = np.ones(true.shape, dtype=bool)
    parts = []
    for rung in (*rungs, 0):
        louder = EARLIER if rung else 1.0
        score = LEVEL + true + rng.normal(0, louder * noise.validation, true.shape)
        arm, seed, number = np.nonzero(alive)
        values: dict[str, Any] = {
            "loss": np.array(ARMS)[arm],
            "miner": np.array(miners)[miner[seed, number]],
            "margin": _spread([RANGES[name] for name in ARMS], arm, margin[seed, number]),
            "lr": _spread([LRS, LRS], arm, rate[seed, number]),
            "seed": seed,
            "stopped_at": rung,
            "key": [f"{dataset}-{a}-{s}-{n}-{rung}" for a, s, n in zip(arm, seed, number, strict=True)],
            SELECTION: score[alive],
        }
        if not rung:
            for metric in metrics:
                values[metric.column] = (LEVEL + true + rng.normal(0, noise.test, true.shape))[alive]
        parts.append(pd.DataFrame(values))
        if rung:
            ranks = np.where(alive, -score, np.inf).argsort(axis=2).argsort(axis=2)
            alive = ranks < alive.sum(axis=2, keepdims=True) // 3
    fixed: dict[str, Any] = {
        **{"dataset": dataset, "data_digest": dataset, "search": search, "encoder": "mlp", "split": "closed"},
        **{"weight_decay": 0.0, "epochs": 50, "batch_size": 64, "sampler": "shuffle", "samples_per_class": 4},
        **{"embedding_dim": 128, "normalize": False, "augment": False, "diverged": False, "pack": "p"},
        **{"code_version": "1"},
        **{"inputs_digest": "", "device": "cpu", "test_part": "drawn"},
    }
    return pd.concat(parts, ignore_index=True).assign(**fixed)


def _spread(ranges: Sequence[tuple[float, float]], arm: np.ndarray, point: Floats) -> Floats:
    """Points of 0 to 1 in the arms' ranges on a log scale, to six digits."""
    low, high = np.log(np.array(ranges)[arm]).T
    return np.array([float(f"{value:.6g}") for value in np.exp(low + (high - low) * point)])
