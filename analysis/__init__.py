"""From recorded runs to statistically tested verdicts. Reads MLflow or the storage folder; trains nothing.

from analysis import load_study, verdicts, claims, compare

runs = load_study("demo")
table = verdicts(runs)
"""

from __future__ import annotations

from analysis.claims import Claim, ClaimsError, claims, read_claims
from analysis.comparison import compare
from analysis.loading import StudyNotFoundError, load_study
from analysis.overall import overall_verdicts
from analysis.slices import slice_verdicts
from analysis.verdict_table import verdicts

__all__ = [
    "Claim",
    "ClaimsError",
    "StudyNotFoundError",
    "claims",
    "compare",
    "load_study",
    "overall_verdicts",
    "read_claims",
    "slice_verdicts",
    "verdicts",
]
