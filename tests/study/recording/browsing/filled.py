"""Recorded studies in MLflow, with all that answers on opening."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.tracking import MlflowClient

from analysis.report.build import Study, understand
from study.sync import main
from tests.analysis.recorded import record_study


def uri_of(storage: Path) -> str:
    return f"sqlite:///{storage / 'mlflow.db'}"


def filled(storage: Path, runs: pd.DataFrame, name: str = "s") -> Study:
    """Records a study, fills MLflow from it, and says what is known of it."""
    record_study(storage, name, runs)
    assert main(["--name", name, "--storage", str(storage)]) == 0
    return understand(name, storage)


def found(storage: Path, condition: str, name: str = "s") -> dict[str, Any]:
    """The runs that meet a condition, by name."""
    client = MlflowClient(uri_of(storage))
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    runs = list(client.search_runs([experiment.experiment_id], condition, max_results=1000))
    by_name = {run.info.run_name: run for run in runs}
    assert len(by_name) == len(runs), "each run once"
    return by_name


def experiment_tags(storage: Path, name: str = "s") -> dict[str, str]:
    experiment = MlflowClient(uri_of(storage)).get_experiment_by_name(name)
    assert experiment is not None
    return dict(experiment.tags)
