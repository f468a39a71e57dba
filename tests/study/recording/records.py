"""Records for tests, and what MLflow holds of them."""

from __future__ import annotations

import pandas as pd
from mlflow.tracking import MlflowClient

from analysis.store.record_schema import RunDescription
from analysis.store.records import PackRecord

PARAMS: dict[str, str | int | float] = {
    "dataset": "digits",
    "encoder": "mlp",
    "loss": "triplet",
    "miner": "all",
    "margin": 0.5,
    "lr": 1e-3,
    "epochs": 800,
    "batch_size": 64,
    "sampler": "shuffle",
    "samples_per_class": 0,
    "embedding_dim": 8,
    "normalize": False,
}


def record(keys: list[str], points_each: int = 5, version: str = "1") -> PackRecord:
    runs = tuple(
        RunDescription(key, {**PARAMS, "seed": seed}, {"pack": "p", "diverged": "false", "code_version": version})
        for seed, key in enumerate(keys)
    )
    points = pd.DataFrame(
        [(key, "train/loss", epoch, 1.0 / (epoch + 1)) for key in keys for epoch in range(points_each)],
        columns=["key", "metric", "epoch", "value"],
    )
    return PackRecord("p", 1_699_999_999_000, 1_700_000_000_000, runs, points)


def runs_of(uri: str, level: str = "run", study: str = "s") -> list:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], f"tags.level = '{level}'"))
