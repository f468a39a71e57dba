"""Pictures of both arms' embeddings, for runs that can stand side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.comparison.comparisons import Comparison
from analysis.parameters import ARM

COLUMNS = ["dataset", ARM, "seed", "condition", "x", "y", "label"]
Sketches = Mapping[str, Mapping[str, list[float]]]


def chosen_sketches(compared: Sequence[Comparison], kept: Sketches) -> pd.DataFrame:
    """One sketch for each comparison and arm: of the run that one seed chose, the same seed for both arms.

    The seed is the first that both arms have a sketch of. Without such a seed a comparison has no rows.

    Args:
        compared: The comparisons of a study.
        kept: Sketches by key, as `StoredStudy` holds them.

    Returns:
        Columns ``dataset`` (the comparison's label), ``loss``, ``seed``, ``condition``, ``x``, ``y`` and ``label``.
    """
    kept = {key: sketch for key, sketch in kept.items() if _is_complete(sketch)}
    parts = []
    for comparison in compared:
        chosen = comparison.tuned.runs
        sketched = chosen[chosen["key"].isin(kept)]
        keys = {arm: _keys_by_seed(sketched, arm) for arm in comparison.arms}
        shared = set.intersection(*(set(by_seed) for by_seed in keys.values()))
        for arm in comparison.arms if shared else ():
            seed = min(shared)
            sketch = pd.DataFrame(kept[keys[arm][seed]])
            sketch["dataset"], sketch[ARM] = comparison.label, arm
            sketch["seed"], sketch["condition"] = seed, str(comparison.tuned.condition(arm, seed))
            parts.append(sketch)
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)


def _keys_by_seed(runs: pd.DataFrame, arm: str) -> dict[int, str]:
    """The keys of an arm's runs by seed."""
    own = runs[runs[ARM] == arm]
    return {int(seed): str(key) for seed, key in zip(own["seed"], own["key"], strict=True)}


def _is_complete(sketch: Mapping[str, Sequence[float]]) -> bool:
    lengths = {len(sketch.get(name, ())) for name in ("x", "y", "label")}
    return len(lengths) == 1 and lengths != {0}
