"""Recorded studies made on the spot: records on disk, as training leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.parameters import PARAMETERS, ROUND_TAGS
from analysis.store.record_schema import RunDescription
from analysis.store.records import PackRecord, records_folder, write_record
from analysis.store.stored_runs import TAGS
from tests.analysis.studies import simulated_runs

EPOCHS = 5
DYNAMICS = ("train/loss", "train/active_ratio", "train/grad_norm")


def record_study(
    storage: Path,
    name: str,
    runs: pd.DataFrame,
    pack: int = 50,
    epochs: int = EPOCHS,
    sketched: set[str] | None = None,
    untrained: float | None = None,
) -> None:
    """Writes a table of runs as records: curves that halve each epoch, and sketches of the runs with these keys.

    Those of seed 0 have sketches if no keys are given. `untrained` is the test MAP@R of every run at epoch 0.
    """
    metrics = [column for column in runs.columns if "/" in column]
    for start in range(0, len(runs), pack):
        part = runs.iloc[start : start + pack]
        descriptions, points = [], []
        for row in part.to_dict("records"):
            params = {parameter.name: row[parameter.name] for parameter in PARAMETERS}
            tags = {**{tag: str(row[tag]) for tag in TAGS}, "diverged": "epoch 2" if row["diverged"] else "false"}
            tags.update(pack=f"p{start}", stopped=f"epoch {row['stopped_at']}" if row["stopped_at"] else "false")
            tags.update({name: str(row[name]) for name in ROUND_TAGS if row.get(name)})
            picture = {"x": [0.0, 1.0, 2.0], "y": [1.0, 0.5, 0.0], "label": [0.0, 0.0, 1.0]}
            drawn = row["seed"] == 0 if sketched is None else row["key"] in sketched
            sketch = picture if drawn else None
            descriptions.append(RunDescription(str(row["key"]), params, tags, sketch))
            for epoch in range(1, epochs + 1):
                points += [(row["key"], metric, epoch, 0.5**epoch) for metric in DYNAMICS]
            points += [(row["key"], "test/map_at_r", 0, untrained)] if untrained is not None else []
            points += [(row["key"], metric, epochs, row[metric]) for metric in metrics if np.isfinite(row[metric])]
        frame = pd.DataFrame(points, columns=["key", "metric", "epoch", "value"])
        write_record(records_folder(storage, name), PackRecord(f"p{start}", 1, 2, tuple(descriptions), frame))


def small_study(storage: Path, name: str = "small", **options: object) -> pd.DataFrame:
    """A recorded study of 13 seeds on two datasets."""
    datasets = ("digits", "synthetic")
    runs = simulated_runs(np.random.default_rng(0), seeds=13, datasets=datasets, **options)  # type: ignore[arg-type]
    record_study(storage, name, runs)
    return runs
