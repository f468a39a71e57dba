"""From a study's records to its report: read once, find out, draw, write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from analysis.conclusions.claims_file import read_claims
from analysis.masking import hidden
from analysis.metrics import SCORE, metrics_with
from analysis.report.addresses import RunAddresses
from analysis.report.arms import arm_styles
from analysis.report.document.assembly import summary
from analysis.report.figures.curves import DYNAMICS, VARIANCES, epoch_curves
from analysis.report.figures.panels import Panel, study_panels
from analysis.report.figures.searching import SearchTables
from analysis.report.figures.sketches import chosen_sketches
from analysis.report.files import report_folder, write_report
from analysis.report.findings import Findings, find_out
from analysis.report.renderers.terminal import terminal
from analysis.searching.importance import importances_of
from analysis.searching.margin_rate import landscape_of
from analysis.store.files import Folder
from analysis.store.loading import experiment_of, read_study
from analysis.store.mlflow_client import is_server


@dataclass(frozen=True, eq=False)
class Study:
    """A study, read and understood.

    Attributes:
        findings: What follows from it.
        curves: How metrics went over the epochs, as `epoch_curves` gives them.
    """

    findings: Findings
    curves: pd.DataFrame


def build_report(
    study: str,
    storage: str | Folder,
    tracking_uri: str | None = None,
    claims_file: Path | None = None,
    rope: Mapping[str, float] | None = None,
) -> str:
    """Reads a study, writes its report, and returns what a terminal shows of it: the verdicts and where the rest is.

    Args:
        study: Its name.
        storage: Folder or address of its records, where the report goes too.
        tracking_uri: MLflow's address, to read the runs there instead.
        claims_file: Claims of one's own instead of the paper's.
        rope: Regions of practical equivalence of one's own, as `verdicts` takes them.

    Raises:
        StudyNotFoundError: As `load_study` does.
        ClaimsError: As `read_claims` and `claims` do.
        OSError: If the report cannot be written.
        ValueError: If `rope` names what is no metric, or a region is not possible.
    """
    understood = understand(study, storage, tracking_uri, claims_file, rope)
    if tracking_uri is not None and is_server(tracking_uri):
        shown_at = RunAddresses(hidden(tracking_uri), experiment_of(study, tracking_uri))
        understood = replace(understood, findings=replace(understood.findings, shown_at=shown_at))
    return report_on(understood, storage)


def understand(
    study: str,
    storage: str | Folder,
    tracking_uri: str | None = None,
    claims_file: Path | None = None,
    rope: Mapping[str, float] | None = None,
    shown_at: RunAddresses | None = None,
) -> Study:
    """Reads a study and finds out what follows from it. The other arguments and the errors are those of `build_report`.

    Args:
        study: Its name.
        storage: As for `build_report`.
        tracking_uri: Likewise.
        claims_file: Likewise.
        rope: Likewise.
        shown_at: Where its runs are shown, which the report links to; None where that is not known.
    """
    metrics = metrics_with(rope)
    own = (read_claims(claims_file), claims_file.name) if claims_file else ()
    stored = read_study(study, storage, tracking_uri, points_of=(*DYNAMICS, *VARIANCES, SCORE.column), sketches=True)
    findings = replace(find_out(study, stored, metrics, *own), shown_at=shown_at)
    return Study(findings, epoch_curves(findings.comparisons, stored.points))


def report_on(study: Study, storage: str | Folder) -> str:
    """Writes the report of a study, and returns what a terminal shows of it.

    Raises:
        OSError: If it cannot be written.
    """
    panels, unavailable = draw(study)
    folder = report_folder(storage, study.findings.study)
    write_report(study.findings, panels, folder, unavailable)
    return f"{terminal(summary(study.findings))}\n\nReport   {folder / 'report.html'}"


def draw(study: Study) -> tuple[list[Panel], list[str]]:
    """The panels of a report, and why some are not there."""
    findings, curves = study.findings, study.curves
    sketches = chosen_sketches(findings.comparisons, findings.stored.sketches)
    datasets = findings.datasets
    searched = SearchTables(importances_of(datasets), landscape_of(datasets), arm_styles(findings.arms))
    panels, unavailable = study_panels(findings.comparisons, findings.results, curves, sketches, searched)
    if curves.empty and len(findings.stored.points):
        unavailable.append(
            "No curves over the epochs: no setting could be averaged over both losses, and none was chosen."
        )
    elif curves.empty:
        unavailable.append("Curves over the epochs need the study's records, which are not in this storage folder.")
    if sketches.empty:
        unavailable.append(
            "No embeddings to show: none were kept of both losses' chosen settings with one seed, or the records are "
            "not here."
        )
    return panels, unavailable
