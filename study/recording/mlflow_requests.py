"""What is told of a run through MLflow's interface, in as few requests as it allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from study.recording.database.runs import TrackedRun

REQUEST_ITEMS = 1000  # the most metrics, parameters and tags in one request to MLflow


def log_run(client: Any, run_id: str, run: TrackedRun, tags: Mapping[str, str] | None = None) -> None:
    """Logs a run's parameters and points, and tags that it has not got yet. MLflow raises errors of many kinds."""
    from mlflow.entities import Metric, Param, RunTag

    texts = [RunTag(name, value) for name, value in (tags or {}).items()]
    params = [Param(name, value) for name, value in run.params.items()]
    metrics = [Metric(metric, value, run.started, epoch) for metric, epoch, value in run.points]
    first = REQUEST_ITEMS - len(texts) - len(params)
    client.log_batch(run_id, metrics[:first], params, texts)
    for start in range(first, len(metrics), REQUEST_ITEMS):
        client.log_batch(run_id, metrics[start : start + REQUEST_ITEMS])


def log_points(client: Any, run_id: str, run: TrackedRun) -> None:
    """Logs the points alone."""
    log_run(client, run_id, replace(run, params={}))
