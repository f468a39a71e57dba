"""``python -m analysis.report --study NAME``: writes a study's verdicts, figures and the report on them."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from upath import UPath

from analysis.claims import read_claims
from analysis.comparison import rows_of
from analysis.curves import load_curves
from analysis.figures import Panel, study_panels
from analysis.findings import Findings, find
from analysis.html_report import html
from analysis.loading import StudyNotFoundError, load_study
from analysis.markdown_report import report_text, sections
from analysis.records import Folder, write_whole
from analysis.sketches import load_sketches
from analysis.tables import P_DECIDES, terminal, verdict_rows
from analysis.tuning import TUNING_SEEDS
from analysis.wording import answers

_LONGEST = 60  # letters of a file's name, up to four bytes each


def report_folder(storage: str | Folder, study: str) -> UPath:
    """Where a study's report lies, under a folder or an address."""
    return UPath(storage) / study / "report"


def build_report(
    study: str,
    storage: str | Folder,
    tracking_uri: str | None = None,
    tuning_seeds: int = TUNING_SEEDS,
    claims_file: Path | None = None,
) -> str:
    """Reads a study, writes its report, and returns what a terminal shows of it: the verdicts and where the rest is.

    Raises:
        StudyNotFoundError: As `load_study` does.
        ClaimsError: As `read_claims` does.
        OSError: If the report cannot be written.
    """
    own = (read_claims(claims_file), claims_file.name) if claims_file else ()
    runs = load_study(study, storage, tracking_uri)
    findings = find(study, runs, tuning_seeds, *own)
    curves = load_curves(findings.runs, study, storage)
    sketches = load_sketches(findings.runs, study, storage, tuning_seeds)
    panels, unavailable = study_panels(findings.runs, findings.table, curves, sketches, tuning_seeds)
    if curves.empty:
        unavailable.append("Curves over the epochs need the study's records, which are not in this storage folder.")
    if sketches.empty:
        unavailable.append(
            "No embeddings to show: none were kept of both losses' chosen settings with one seed, or the records are "
            "not here."
        )
    folder = report_folder(storage, study)
    write_report(findings, panels, folder, unavailable)
    return f"{terminal_text(findings)}\n\nReport   {folder / 'report.html'}"


def write_report(findings: Findings, panels: Sequence[Panel], folder: Folder, unavailable: Sequence[str] = ()) -> None:
    """Writes ``report.html``, ``report.md``, the tables as CSV, ``verdicts.json``, and each figure with its numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("verdicts", findings.table), ("claims", findings.claims), ("overall", findings.overall)):
        _write(folder / f"{name}.csv", table.to_csv(index=False))
    _write(folder / "slices.csv", findings.slices.to_csv(index=False))
    records = {
        name: [{column: _plain(value) for column, value in row.items()} for row in rows_of(table)]
        for name, table in (("verdicts", findings.table), ("claims", findings.claims))
    }
    content = {"study": findings.study, "provenance": findings.provenance, **records}
    _write(folder / "verdicts.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    figures = folder / "figures"
    for old in figures.iterdir() if figures.is_dir() else ():
        old.unlink()
    figures.mkdir(exist_ok=True)
    for name, panel in zip(_file_names(panels), panels, strict=True):
        _write(figures / f"{name}.svg", panel.svg)
        _write(figures / f"{name}.csv", panel.data.to_csv(index=False))
    _write(folder / "report.md", report_text(findings))
    _write(folder / "report.html", html(findings, panels, unavailable))


def _file_names(panels: Sequence[Panel]) -> list[str]:
    """A readable name for each panel, with a digest where two would be one file on some disk."""
    titles = [unicodedata.normalize("NFC", f"{panel.name} {panel.dataset}") for panel in panels]
    names = [re.sub(r"[\W_]+", "-", title.casefold()).strip("-")[:_LONGEST] for title in titles]
    shared = Counter(names)
    digests = [hashlib.sha256(title.encode()).hexdigest()[:8] for title in titles]
    return [
        f"{name}-{digest}" if shared[name] > 1 or len(name) == _LONGEST else name
        for name, digest in zip(names, digests, strict=True)
    ]


def terminal_text(findings: Findings) -> str:
    """The headline tables and the claims in plain text."""
    headline = [(title, rows) for title, rows in sections(findings.table) if not _beside(rows)]
    parts = [f"{title}\n\n{terminal(verdict_rows(rows).without(P_DECIDES))}" for title, rows in headline]
    lines = answers(findings)
    width = max((len(answer.statement) for answer in lines), default=0)
    claims = "\n".join(f"{answer.statement.ljust(width)}  {answer.verdict}" for answer in lines)
    parts.append(f"What {findings.claimant} claims, over all datasets\n\n{claims}")
    return "\n\n".join(parts)


def _beside(rows: Any) -> bool:
    """Whether a section is not a headline: performance by grid average."""
    return bool((rows["estimand"] == "grid average").all() and (rows["family"] != "mechanism").all())


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(path: Folder, text: str) -> None:
    write_whole(path, text.encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuilds a study's report and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m analysis.report", description="Rebuilds the report of a study.")
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--storage", default="results", help="folder or address of the records and the report")
    parser.add_argument("--tracking-uri", help="read the study from this MLflow instead of the records")
    parser.add_argument("--tuning-seeds", type=int, default=TUNING_SEEDS, help="seeds that choose hyperparameters")
    parser.add_argument("--claims", type=Path, metavar="FILE.yaml", help="claims of your own instead of the paper's")
    options = parser.parse_args(arguments)
    try:
        shown = build_report(options.study, options.storage, options.tracking_uri, options.tuning_seeds, options.claims)
    except (StudyNotFoundError, OSError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
