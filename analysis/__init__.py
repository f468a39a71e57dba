"""From recorded runs to statistically tested verdicts. Reads MLflow or the storage folder; trains nothing.

    from analysis import load_study, verdicts

    runs = load_study("demo")
    table = verdicts(runs)

Reading order:
    `store`: runs, read from records or MLflow.
    `statistics`: tests, corrections and power; nothing in it knows of studies.
    `comparison`: two arms on one dataset, paired, tuned and tested.
    `conclusions`: what follows for a study: verdicts, slices, claims, and from how many settings on an arm is better.
    `searching`: what a search tells of its hyperparameters.
    `report`: all of it as HTML, Markdown and text.

Imports go one way: report > conclusions, searching > comparison > statistics; report > store. Every module may
import `metrics` and `parameters`, and what treats texts, secrets and limits: `plain_text`, `masking`, `limits`,
`yaml_file`. Nothing imports `study`, `trainables`, PyTorch or Ray.
"""

from __future__ import annotations

from analysis.comparison.paired_tests import compare
from analysis.conclusions.claim_verdicts import claims
from analysis.conclusions.claims_file import Claim, ClaimsError, read_claims
from analysis.conclusions.effort import tuning_curves
from analysis.conclusions.overall import overall_verdicts
from analysis.conclusions.slices import slice_verdicts
from analysis.conclusions.verdict_table import verdicts
from analysis.searching.importance import importances
from analysis.searching.margin_rate import landscape
from analysis.store.loading import StudyNotFoundError, StudyWarning, load_study

__all__ = [
    "Claim",
    "ClaimsError",
    "StudyNotFoundError",
    "StudyWarning",
    "claims",
    "compare",
    "importances",
    "landscape",
    "load_study",
    "overall_verdicts",
    "read_claims",
    "slice_verdicts",
    "tuning_curves",
    "verdicts",
]
