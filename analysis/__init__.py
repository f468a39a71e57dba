"""From recorded runs to statistically tested verdicts. Reads MLflow or the storage folder; trains nothing.

from analysis import load_study, verdicts

runs = load_study("demo")
table = verdicts(runs)
"""

from __future__ import annotations

from analysis.loading import StudyNotFoundError, load_study
from analysis.verdict_table import verdicts

__all__ = ["StudyNotFoundError", "load_study", "verdicts"]
