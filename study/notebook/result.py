"""What a study gives to Python: its runs, verdicts and claims as tables, and where its report is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from html import escape

import pandas as pd
from upath import UPath

from analysis import load_study
from analysis.comparison.result import result_table
from analysis.conclusions.claim_verdicts import claim_table
from analysis.metrics import SCORE, metrics_with
from analysis.report.document.assembly import excerpt
from analysis.report.files import report_folder
from analysis.report.findings import Findings, find_out
from analysis.report.renderers.html import fragment
from analysis.store.loading import StudyNotFoundError, read_study
from study.config.model import StudyConfig


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A study after a session. A notebook shows what to use, and the verdicts on it. Tables are read when first used.

    Attributes:
        config: The study.
        failures: What failed on the way, a line each; the same call again tries it again.
        output: What the command would have printed: the plan, the verdicts, where the rest is.
    """

    config: StudyConfig
    failures: tuple[str, ...] = ()
    output: str = field(default="", repr=False)

    @property
    def report(self) -> UPath:
        """The report's page, ``report.html``."""
        return report_folder(self.config.storage, self.config.name) / "report.html"

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The study's runs, as `analysis.load_study` gives them."""
        return load_study(self.config.name, self.config.storage)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """As `analysis.verdicts` gives them, with the study's own regions of practical equivalence."""
        return result_table(self._findings.results)

    @cached_property
    def claims(self) -> pd.DataFrame:
        """What the study says of the paper's claims, as `analysis.claims` gives it."""
        return claim_table(self._findings.claims)

    @cached_property
    def _findings(self) -> Findings:
        stored = read_study(self.config.name, self.config.storage, points_of=(SCORE.column,))
        return find_out(self.config.name, stored, metrics_with(self.config.rope))

    def __repr__(self) -> str:
        """The study, where its report is, and how many failures there were."""
        failed = f", {len(self.failures)} failures" if self.failures else ""
        return f"StudyResult({self.config.name!r}, {str(self.report)!r}{failed})"

    def _repr_html_(self) -> str:
        failed = "".join(f"<p><b>failed:</b> {escape(failure)}</p>" for failure in self.failures)
        try:
            shown = fragment(excerpt(self._findings))
        except StudyNotFoundError as error:
            shown = f"<p>{escape(str(error))}</p>"
        return f"{shown}{failed}<p>Report: <code>{escape(str(self.report))}</code></p>"
