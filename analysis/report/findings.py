"""Everything that a report says, before it is put into words."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from analysis.comparison.arms import ArmPair, arm_pairs
from analysis.comparison.budget import BudgetCurve, half_of
from analysis.comparison.comparisons import Comparison, comparisons_of
from analysis.comparison.pairing import by_dataset, unmatched_conditions
from analysis.comparison.result import Result
from analysis.comparison.settings import halves, whole_runs
from analysis.conclusions.advice import Advice, advise
from analysis.conclusions.claim_verdicts import JudgedClaim, judge_claims
from analysis.conclusions.claims_file import Claim, check_claims, read_claims
from analysis.conclusions.effort import Effort, efforts
from analysis.conclusions.fates import Fate, fates
from analysis.conclusions.overall import OverallResult, overall_results
from analysis.conclusions.region_sweep import RegionSweep, region_sweeps
from analysis.conclusions.slices import SliceResult, slice_results
from analysis.conclusions.verdict_table import RopeSensitivity, rope_sensitivity, verdict_results
from analysis.metrics import METRICS, SCORE, Metric
from analysis.parameters import ARM
from analysis.report.addresses import RunAddresses
from analysis.report.formatting import bounds_text, difference_text
from analysis.store.loading import StoredStudy
from analysis.store.stored_runs import UNKNOWN_DEVICE

THE_PAPER = "the paper"  # that made the claims, where no file of others is given


@dataclass(frozen=True, eq=False)
class Findings:
    """A study and what follows from it.

    Attributes:
        study: Its name.
        stored: All that was read of it.
        datasets: Its runs by dataset, as `by_dataset` gives them.
        comparisons: What it compares.
        results: The rows of `verdicts`.
        overall: The rows of `overall_verdicts`.
        advice: What to use in each comparison.
        claims: What it says of claims.
        slices: The rows of `slice_verdicts`.
        efforts: From how many settings on which arm is better.
        regions: Verdicts on test scores under every width of their region of practical equivalence, by family.
        sensitivity: Verdicts under other regions of practical equivalence.
        claimant: Who makes the claims, in words.
        fates: How many runs collapsed, or were satisfied.
        warnings: What a reader must know before trusting any of it.
        provenance: Where the runs came from, by kind.
        metrics: What verdicts are about, each with its region of practical equivalence.
        shown_at: Where its runs are shown; None where that is not known.
    """

    study: str
    stored: StoredStudy
    datasets: dict[str, pd.DataFrame]
    comparisons: tuple[Comparison, ...]
    results: tuple[Result, ...]
    overall: tuple[OverallResult, ...]
    advice: tuple[Advice, ...]
    claims: tuple[JudgedClaim, ...]
    slices: tuple[SliceResult, ...]
    efforts: tuple[Effort, ...]
    regions: tuple[RegionSweep, ...]
    sensitivity: tuple[RopeSensitivity, ...]
    claimant: str
    fates: tuple[Fate, ...]
    warnings: tuple[str, ...]
    provenance: dict[str, list[str]]
    metrics: tuple[Metric, ...] = METRICS
    shown_at: RunAddresses | None = None

    @property
    def arms(self) -> list[str]:
        """All arms of the study, in alphabetical order."""
        return sorted(self.stored.runs[ARM].unique())

    @property
    def pair(self) -> ArmPair | None:
        """The pair of arms of the study; None if it has none, or several."""
        pairs = arm_pairs(self.arms)
        return pairs[0] if len(pairs) == 1 else None


def find_out(
    study: str,
    stored: StoredStudy,
    metrics: tuple[Metric, ...] = METRICS,
    stated: Sequence[Claim] | None = None,
    claimant: str = THE_PAPER,
) -> Findings:
    """All findings on a study.

    Args:
        study: Its name.
        stored: What was read of it.
        metrics: As `metrics_with` gives them.
        stated: The claims to judge; the paper's if not given.
        claimant: Who makes them, in words.

    Raises:
        ClaimsError: As `claims` does.
    """
    if stated is not None:
        check_claims(stated, set(stored.runs[ARM]))
    datasets = by_dataset(stored.runs)
    compared = comparisons_of(datasets, metrics)
    results = verdict_results(compared)
    advice = advise(compared, results, stored.points)
    return Findings(
        study=study,
        stored=stored,
        datasets=datasets,
        comparisons=tuple(compared),
        results=tuple(results),
        overall=tuple(overall_results(results)),
        advice=tuple(advice),
        claims=tuple(judge_claims(compared, results, read_claims() if stated is None else stated)),
        slices=tuple(slice_results(compared)),
        efforts=tuple(efforts(compared, results)),
        regions=tuple(region_sweeps(compared, results, metrics)),
        sensitivity=tuple(rope_sensitivity(compared)),
        claimant=claimant,
        fates=tuple(fates(datasets)),
        warnings=(*stored.warnings, *training_doubts(advice), *_doubts(stored.runs, datasets, compared)),
        provenance=_provenance(stored.runs),
        metrics=metrics,
    )


def _doubts(runs: pd.DataFrame, datasets: dict[str, pd.DataFrame], compared: Sequence[Comparison]) -> list[str]:
    doubts = []
    versions = sorted(runs["code_version"].unique())
    if len(versions) > 1:
        doubts.append(
            f"The runs were trained by different versions of the code or its libraries: {', '.join(versions)}."
        )
    devices = sorted(set(runs["device"]) - {UNKNOWN_DEVICE})
    if len(devices) > 1:
        doubts.append(f"The runs were trained on devices that agree within rounding only: {', '.join(devices)}.")
    arms = sorted(runs[ARM].unique())
    for dataset, rows in datasets.items():
        digests = sorted(set(rows["inputs_digest"]) - {""})
        if len(digests) > 1:
            doubts.append(
                f"The runs on {dataset} were trained on inputs of the same data that are not the same numbers (digests "
                f"{', '.join(digests)}): those of another device or other versions differ by rounding."
            )
        absent = [arm for arm in arms if arm not in set(whole_runs(rows)[ARM])]
        if absent:
            ended = ", trained to the end" if halves(rows) else ""
            doubts.append(
                f"{dataset} has no runs of the {' or the '.join(absent)} loss{ended}: nothing can be compared with it "
                "there."
            )
        elif len(arms) == 1:
            doubts.append(f"{dataset} has runs of the {arms[0]} loss alone: there is nothing to compare.")
    for comparison in compared:
        if not comparison.readable:
            doubts.append(
                f"On {comparison.label} a condition stands more than once under one seed and loss. It is not "
                "known which of these runs counts, so there is no verdict and no figure."
            )
        rising = "; ".join(str(edge) for edge in comparison.edges if edge.rises)
        if rising:
            doubts.append(f"On {comparison.label} {rising}. A wider range may change the tuned verdicts.")
        curve = comparison.budget_curve
        if curve is not None and curve.still_moves:
            doubts.append(f"On {comparison.label} {budget_text(curve)}")
        unmatched = unmatched_conditions(comparison.of_grid(), comparison.arms)
        if unmatched:
            doubts.append(
                f"On {comparison.label} these conditions exist for one loss only and stay out: {'; '.join(unmatched)}."
            )
    return doubts


def training_doubts(advice: Sequence[Advice]) -> list[str]:
    """Where training left retrieval worse, or is not shown to have made it better."""
    doubts = []
    for one in advice:
        gain = one.over_untrained
        if not gain.n or (gain.ci_low > 0 if gain.n > 1 else gain.difference >= 0):
            continue
        worse = gain.difference < 0 and not gain.ci_high >= 0
        done = "left retrieval worse" if worse else "is not shown to have made retrieval better"
        change = difference_text(gain.difference, SCORE.scale)
        interval = bounds_text(gain.ci_low, gain.ci_high, SCORE.scale)
        doubts.append(
            f"On {one.label} training {done} than the untrained network: {change} of test MAP@R for {one.loss} at the "
            f"chosen settings, 95% interval {interval}, n = {gain.n}."
        )
    return doubts


def budget_text(curve: BudgetCurve) -> str:
    """That the tuned difference still moves with the number of settings, and by how much."""
    half, last = curve.differences["mean"].iloc[[half_of(curve.budget) - 1, -1]]
    change = difference_text(curve.change, SCORE.scale)
    interval = bounds_text(curve.change_low, curve.change_high, SCORE.scale)
    what = "The budget decides: more settings may change the tuned verdicts."
    if curve.keeps_direction:
        what = f"The budget decides its size, not its direction, the same from the best of {half_of(curve.budget)} on."
    return (
        f"the tuned difference still moves with the number of settings: MAP@R {difference_text(half, SCORE.scale)} for "
        f"the best of {half_of(curve.budget)}, {difference_text(last, SCORE.scale)} for the best of {curve.budget} "
        f"(change {change}, 95% interval {interval}). {what}"
    )


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
