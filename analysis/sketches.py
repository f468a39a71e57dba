"""Pictures of the two losses' embeddings, for runs that can stand side by side."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.pairing import LOSSES, settings
from analysis.records import BrokenRecordError, read_records, records_folder
from analysis.tuning import TUNING_SEEDS, UnequalBudgetsError, tune
from analysis.verdict_table import condition_text

COLUMNS = ["dataset", "loss", "seed", "condition", "x", "y", "label"]


def load_sketches(runs: pd.DataFrame, name: str, storage: str | Path, tuning_seeds: int = TUNING_SEEDS) -> pd.DataFrame:
    """One sketch a dataset and loss: of the condition that tuning chose for it, both losses with the same seed.

    Args:
        runs: A study, as `load_study` gives it.
        name: Its name.
        storage: Folder that holds its records.
        tuning_seeds: As for `verdicts`.

    Returns:
        Columns ``dataset`` (the setting), ``loss``, ``seed``, ``condition``, ``x``, ``y`` and ``label``; no rows where
        no sketch was kept.
    """
    kept = {
        run.key: run.sketch
        for record in read_records(records_folder(Path(storage), name))
        if not isinstance(record, BrokenRecordError)
        for run in record.runs
        if run.sketch is not None
    }
    parts = []
    for dataset, part in settings(runs[runs["loss"].isin(LOSSES)]).items():
        try:
            chosen = tune(part, tuning_seeds).conditions if set(part["loss"]) == set(LOSSES) else {}
        except UnequalBudgetsError:
            continue
        sketched = part[part["key"].isin(kept)].set_index(["loss", "miner", "margin", "lr"])
        for loss, condition in chosen.items():
            if (loss, *condition) in sketched.index:
                run = sketched.loc[[(loss, *condition)]].sort_values("seed").iloc[0]
                described = {
                    "dataset": dataset,
                    "loss": loss,
                    "seed": run["seed"],
                    "condition": condition_text(condition),
                }
                parts.append(pd.DataFrame(kept[run["key"]]).assign(**described))
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)
