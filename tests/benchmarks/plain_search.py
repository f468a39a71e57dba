"""Searches as Ray Tune has them: each run is a trial, Optuna draws the settings, ASHA stops runs, MLflow is told.

``python -m tests.benchmarks.plain_search FILE SEEDS ...`` takes the options of ``study.run`` after the first two. It
searches for each dataset and loss with so many of the study's seeds, one after the other, and writes what each search
took into FILE.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from study.command import read_command
from study.config.levels import Range
from study.config.model import StudyConfig
from study.machine import CORES
from study.search.space import space_of
from tests.benchmarks.plain_training import task_of, trial
from trainables.datasets.registry import load_vectors

REDUCTION = 3  # of ASHA: of the runs at a rung, one in so many goes on


@dataclass(frozen=True)
class Searched:
    """What one search took, and what came of it.

    Attributes:
        dataset: Name of the dataset.
        loss: Name of the loss.
        seed: Of the search.
        seconds: How long it took, from loading the data to the last result.
        runs: How many runs it trained.
        epochs: How many epochs, over all its runs.
        map_at_r: Test MAP@R of the setting with the best validation score among the runs that were not stopped.
    """

    dataset: str
    loss: str
    seed: int
    seconds: float
    runs: int
    epochs: int
    map_at_r: float


def read_searched(file: Path) -> list[Searched]:
    """What `main` has written."""
    return [Searched(**each) for each in json.loads(file.read_text())]


def rungs_of(config: StudyConfig) -> tuple[int, ...]:
    """The epochs after which a run is validated: those at which ASHA may stop it, and the last.

    The first is that of the study; ASHA makes its own of it, where the study may have fewer.
    """
    if not config.halving:
        return (config.epochs,)
    first, last = config.rung_epochs[0], config.epochs
    early = itertools.takewhile(lambda epoch: epoch < last, (first * REDUCTION**rung for rung in itertools.count()))
    return (*early, last)


def search(config: StudyConfig, dataset: str, loss: str, seed: int, folder: Path) -> Searched:
    """One search of one seed and loss on one dataset, on as many processes as there are cores."""
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    started = time.perf_counter()
    data = load_vectors(dataset, config.synthetic)
    space = dict(space_of(config, loss).own)
    (batch_size,), (embedding_dim,) = (config.values_of(name).of(loss) for name in ("batch_size", "embedding_dim"))
    task = task_of(data, loss, seed, batch_size, embedding_dim, rungs_of(config))
    draws = {name: _drawn(space[name]) for name in ("margin", "lr")}
    asha = ASHAScheduler(time_attr="epoch", max_t=config.epochs, grace_period=task.rungs[0], reduction_factor=REDUCTION)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trial, task=task), {"cpu": 1}),
        param_space=draws,
        tune_config=tune.TuneConfig(
            metric="val/map_at_r",
            mode="max",
            search_alg=OptunaSearch(seed=seed),
            scheduler=asha if config.halving else None,
            num_samples=config.budget,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=f"{dataset}-{loss}-{seed}",
            storage_path=str(folder / "ray"),
            verbose=0,
            callbacks=[MLflowLoggerCallback(tracking_uri=config.mlflow_uri, experiment_name=config.name)],
        ),
    )
    last = [result.metrics for result in tuner.fit()]
    seconds = time.perf_counter() - started
    whole = [metrics for metrics in last if metrics["epoch"] == config.epochs]
    best = max(whole, key=lambda metrics: metrics["val/map_at_r"])
    epochs = sum(metrics["epoch"] for metrics in last)
    return Searched(dataset, loss, seed, seconds, len(last), epochs, best["test/map_at_r"])


def _drawn(own: Range | tuple[float, ...]) -> Any:
    from ray import tune

    return tune.loguniform(own.low, own.high) if isinstance(own, Range) else tune.choice(list(own))


def check_plain(config: StudyConfig) -> None:
    """Raises ValueError if the study is none that the plain way can do."""
    odd = [dataset for dataset, encoder in config.dataset_encoders() if encoder != "mlp"]
    odd += [loss for loss in config.losses if config.miners.of(loss) != ("all",)]
    odd += ["normalized embeddings"] if any(config.normalize.all) else []
    if odd:
        raise ValueError(f"the plain way has an mlp on vectors, all candidates and raw embeddings: not so {odd}")


def searches(config: StudyConfig, seeds: int, folder: Path) -> Iterator[Searched]:
    """The searches of some seeds, one after the other, in one Ray and one file of MLflow's.

    Raises:
        ValueError: If the study is none that the plain way can do.
    """
    check_plain(config)
    # By itself Tune lets one trial wait, for an actor that is free. Short trials would then all be one actor's.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(CORES)
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # MLflow is told: Tune need not write files as well
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    import ray

    ray.init(address="local", num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    for dataset, loss, seed in itertools.product(config.datasets, config.losses, config.seeds[:seeds]):
        yield search(config, dataset, loss, seed, folder)
    ray.shutdown()


def main(arguments: Sequence[str]) -> None:
    """Reads the command, searches, and writes what it took."""
    file, seeds, *options = arguments
    config, _ = read_command(options)
    with tempfile.TemporaryDirectory(prefix="plain-", ignore_cleanup_errors=True) as folder:
        found = [asdict(each) for each in searches(config, int(seeds), Path(folder))]
    Path(file).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
