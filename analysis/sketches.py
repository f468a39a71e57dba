"""Pictures of the two losses' embeddings, for runs that can stand side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.pairing import LOSSES, settings
from analysis.records import BrokenRecordError, Folder, read_records, records_folder
from analysis.tuning import TUNING_SEEDS, Condition, UnequalBudgetsError, tune
from analysis.verdict_table import condition_text

COLUMNS = ["dataset", "loss", "seed", "condition", "x", "y", "label"]


def load_sketches(
    runs: pd.DataFrame, name: str, storage: str | Folder, tuning_seeds: int = TUNING_SEEDS
) -> pd.DataFrame:
    """One sketch a dataset and loss: of the condition that tuning chose for it, both losses with the same seed.

    The seed is the first that both have a sketch of; where there is none, that dataset has no rows.

    Args:
        runs: A study, as `load_study` gives it.
        name: Its name.
        storage: Folder that holds its records.
        tuning_seeds: As for `verdicts`.

    Returns:
        Columns ``dataset`` (the setting), ``loss``, ``seed``, ``condition``, ``x``, ``y`` and ``label``.
    """
    kept = {
        run.key: run.sketch
        for record in read_records(records_folder(storage, name))
        if not isinstance(record, BrokenRecordError)
        for run in record.runs
        if run.sketch is not None and _is_whole(run.sketch)
    }
    parts = []
    for dataset, part in settings(runs[runs["loss"].isin(LOSSES)]).items():
        try:
            chosen = tune(part, tuning_seeds).conditions if set(part["loss"]) == set(LOSSES) else {}
        except UnequalBudgetsError:
            continue
        sketched = part[part["key"].isin(kept)]
        mine = {loss: _of_condition(sketched, loss, condition) for loss, condition in chosen.items()}
        shared = set.intersection(*(set(keys) for keys in mine.values())) if mine else set()
        for loss in mine if shared else ():
            seed = min(shared)
            part = pd.DataFrame(kept[mine[loss][seed]])
            parts.append(part.assign(dataset=dataset, loss=loss, seed=seed, condition=condition_text(chosen[loss])))
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)


def _of_condition(runs: pd.DataFrame, loss: str, condition: Condition) -> dict[int, str]:
    """The keys of a loss's runs of one condition by seed."""
    miner, margin, lr = condition
    mine = runs[(runs["loss"] == loss) & (runs["miner"] == miner) & (runs["margin"] == margin) & (runs["lr"] == lr)]
    return {int(seed): str(key) for seed, key in zip(mine["seed"], mine["key"], strict=True)}


def _is_whole(sketch: Mapping[str, Sequence[float]]) -> bool:
    lengths = {len(sketch.get(name, ())) for name in ("x", "y", "label")}
    return len(lengths) == 1 and lengths != {0}
