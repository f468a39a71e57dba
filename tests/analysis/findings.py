"""Findings on a table of runs that no record holds."""

from __future__ import annotations

import pandas as pd

from analysis.report.findings import Findings, find_out
from analysis.store.loading import StoredStudy


def found(study: str, runs: pd.DataFrame, points: pd.DataFrame | None = None, **options: object) -> Findings:
    """What `find_out` says of the runs, without sketches, and without curves unless `points` are given."""
    stored = StoredStudy(runs, pd.DataFrame() if points is None else points, {})
    return find_out(study, stored, **options)  # type: ignore[arg-type]
