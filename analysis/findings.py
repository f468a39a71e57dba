"""Everything that a report says, before it is put into a form."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from analysis.claims import Claim, judge_claims, read_claims
from analysis.loading import UNKNOWN_DEVICE
from analysis.overall import overall_verdicts
from analysis.pairing import LOSSES, repeats, settings, unmatched_conditions
from analysis.slices import slice_verdicts
from analysis.tuning import TUNING_SEEDS
from analysis.verdict_table import rope_sensitivity, verdicts


@dataclass(frozen=True)
class Findings:
    """A study and what follows from it.

    Attributes:
        study: Its name.
        runs: As `load_study` gives them.
        table: As `verdicts` gives it.
        overall: As `overall_verdicts` gives it.
        claims: As `claims` gives it.
        slices: As `slice_verdicts` gives it.
        sensitivity: As `rope_sensitivity` gives it.
        stated: The claims themselves.
        claimant: Who makes them, in words.
        tuning_seeds: How many seeds tuned.
        warnings: What a reader must know before trusting any of it.
        provenance: Where the runs came from, by kind.
    """

    study: str
    runs: pd.DataFrame
    table: pd.DataFrame
    overall: pd.DataFrame
    claims: pd.DataFrame
    slices: pd.DataFrame
    sensitivity: pd.DataFrame
    stated: tuple[Claim, ...]
    claimant: str
    tuning_seeds: int
    warnings: list[str]
    provenance: dict[str, list[str]]


def find(
    study: str,
    runs: pd.DataFrame,
    tuning_seeds: int = TUNING_SEEDS,
    stated: Sequence[Claim] | None = None,
    claimant: str = "the paper",
) -> Findings:
    """All findings on a study's runs; `stated` are the claims of `claimant` to judge, the paper's if not given."""
    table = verdicts(runs, tuning_seeds)
    stated = read_claims() if stated is None else tuple(stated)
    return Findings(
        study=study,
        runs=runs,
        table=table,
        overall=overall_verdicts(table),
        claims=judge_claims(table, stated),
        slices=slice_verdicts(runs, tuning_seeds),
        sensitivity=rope_sensitivity(runs, tuning_seeds),
        stated=stated,
        claimant=claimant,
        tuning_seeds=tuning_seeds,
        warnings=[*runs.attrs.get("warnings", []), *_doubts(runs)],
        provenance=_provenance(runs),
    )


def _doubts(runs: pd.DataFrame) -> list[str]:
    doubts = []
    versions = sorted(runs["code_version"].unique())
    if len(versions) > 1:
        doubts.append(
            f"The runs were trained by different versions of the code or its libraries: {', '.join(versions)}."
        )
    devices = sorted(set(runs["device"]) - {UNKNOWN_DEVICE})
    if len(devices) > 1:
        doubts.append(f"The runs were trained on devices that agree within rounding only: {', '.join(devices)}.")
    for dataset, part in settings(runs).items():
        absent = [loss for loss in LOSSES if loss not in set(part["loss"])]
        if absent:
            doubts.append(
                f"{dataset} has no runs of the {' or the '.join(absent)} loss: nothing can be compared there."
            )
            continue
        if repeats(part):
            doubts.append(
                f"On {dataset} a condition stands more than once under one seed and loss, and which of its runs count "
                "is not known: no verdict and no figure can be had there."
            )
        unmatched = unmatched_conditions(part)
        if unmatched:
            doubts.append(
                f"On {dataset} these conditions exist for one loss only and stay out: {'; '.join(unmatched)}."
            )
    return doubts


def _provenance(runs: pd.DataFrame) -> dict[str, list[str]]:
    digests = runs[["dataset", "data_digest"]].drop_duplicates().sort_values(["dataset", "data_digest"])
    return {
        "code version": sorted(runs["code_version"].unique()),
        "device": sorted(runs["device"].unique()),
        "data digest": [f"{row.dataset} {row.data_digest}" for row in digests.itertuples()],
        "analysed with": [
            f"Python {platform.python_version()}",
            *(f"{package.__name__} {package.__version__}" for package in (np, scipy, pd)),
        ],
    }
