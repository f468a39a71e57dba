"""Turns the result of a pack into its record."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from analysis.masking import hidden_in_addresses
from analysis.store.record_schema import RunDescription
from analysis.store.records import PackRecord
from analysis.store.stored_runs import TestPart
from study.planning.grid import run_params
from study.planning.packing import PlannedPack
from trainables.training.history import History, Sketch


@dataclass(frozen=True)
class Provenance:
    """What a result depends on beside the configuration of its run.

    Attributes:
        code_version: Version of the code and its libraries.
        data_digest: Digest of the dataset.
        device: Name of the device that trained it.
        test_part: ``"shared"`` if all seeds share one test part, ``"drawn"`` if each draws its own.
        inputs_digest: Digest of the very inputs that were trained on; empty if `data_digest` determines them.
        search: How its settings were chosen: ``"grid"``, ``"random"``, ``"sobol"`` or ``"tpe"``.
    """

    code_version: str
    data_digest: str
    device: str
    test_part: TestPart
    inputs_digest: str = ""
    search: str = "grid"


def described(
    pack: PlannedPack, provenance: Provenance, diverged: Sequence[int | None] | None = None
) -> list[RunDescription]:
    """The runs of a pack.

    Args:
        pack: The pack.
        provenance: What the result depends on beside the runs' parameters.
        diverged: The epoch where each diverged, or None; not given if none has, as far as is known.
    """
    known = {name: hidden_in_addresses(value) for name, value in asdict(provenance).items() if value}
    descriptions = []
    for run, epoch in zip(pack.runs, diverged or [None] * len(pack.runs), strict=True):
        diverged_text = "false" if epoch is None else f"epoch {epoch}"
        stop_at = run.structure.stop_at
        stopped = "false" if stop_at is None else f"epoch {stop_at}"
        tags = {"pack": pack.name, **known, "diverged": diverged_text, "stopped": stopped}
        if run.round.settings:
            tags |= {"round_settings": str(run.round.settings), "round_whole": str(run.round.whole)}
        descriptions.append(RunDescription(run.key, run_params(run), tags))
    return descriptions


def make_record(
    pack: PlannedPack,
    history: History,
    seconds: float,
    provenance: Provenance,
    sketched_seed: int,
    started: int | None = None,
) -> PackRecord:
    """The record of a pack that has just ended.

    Args:
        pack: The pack.
        history: Its result. Its members are the pack's runs, in the same order.
        seconds: How long the training took.
        provenance: What the result depends on beside the runs' parameters.
        sketched_seed: Embeddings are kept for the runs of this seed alone. A report shows no others.
        started: When it began, in milliseconds since 1970, if that was told already; else `seconds` ago.
    """
    descriptions = []
    columns: dict[str, list[Any]] = {"key": [], "metric": [], "epoch": [], "value": []}
    for member, (run, description) in enumerate(
        zip(pack.runs, described(pack, provenance, history.diverged), strict=True)
    ):
        is_sketched = run.member.seed == sketched_seed and history.diverged[member] is None
        sketch = history.sketches[member] if is_sketched else None
        descriptions.append(replace(description, sketch=_rounded(sketch)) if sketch else description)
        for metric, epoch, value in history.points(member):
            columns["key"].append(run.key)
            columns["metric"].append(metric)
            columns["epoch"].append(epoch)
            columns["value"].append(value)
    points = pd.DataFrame(columns).astype({"epoch": "int32", "value": "float64"})
    finished = time.time()
    began = round((finished - seconds) * 1000) if started is None else started
    return PackRecord(pack.name, began, round(finished * 1000), tuple(descriptions), points)


def _rounded(sketch: Sketch) -> dict[str, list[float]]:
    """A sketch with four significant digits, more than a figure shows."""
    scale = max(map(abs, (*sketch.x, *sketch.y)), default=0.0) or 1.0
    digits = 4 - math.ceil(math.log10(scale))
    return {
        "x": [round(x, digits) for x in sketch.x],
        "y": [round(y, digits) for y in sketch.y],
        "label": [*sketch.label],
    }
