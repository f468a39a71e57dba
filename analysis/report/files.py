"""The files of a report: HTML, Markdown, tables as CSV, and each figure with its numbers."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from upath import UPath

from analysis.comparison.result import result_table
from analysis.conclusions.claim_verdicts import claim_table
from analysis.conclusions.overall import overall_table
from analysis.conclusions.slices import slice_table
from analysis.plain_text import csv_table
from analysis.report.document.assembly import report
from analysis.report.figures.panels import Panel
from analysis.report.findings import Findings
from analysis.report.renderers.html import html
from analysis.report.renderers.markdown import markdown
from analysis.store.files import Folder, list_files, remove_file, study_folder, write_whole

FIGURES = "figures"  # folder beside the report
FILES = ("report.html", "report.md", "verdicts.json", "verdicts.csv", "claims.csv", "overall.csv", "slices.csv")
FIGURE_NAMES = re.compile(r"[^\W_][\w-]*\.(?:svg|csv)")
"""The names of the files in `FIGURES`, which `with_files` gives."""
_LONGEST = 60  # letters of a file's name, up to four bytes each


def report_folder(storage: str | Folder, study: str) -> UPath:
    """Where a study's report lies, under a folder or an address."""
    return study_folder(storage, study) / "report"


def write_report(findings: Findings, panels: Sequence[Panel], folder: Folder, unavailable: Sequence[str] = ()) -> None:
    """Writes ``report.html``, ``report.md``, the tables as CSV, ``verdicts.json``, and each figure with its numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "verdicts": result_table(findings.results),
        "claims": claim_table(findings.claims),
        "overall": overall_table(findings.overall),
        "slices": slice_table(findings.slices),
    }
    for name, table in tables.items():
        _write(folder / f"{name}.csv", csv_table(table))
    rows = {name: _plain_rows(tables[name]) for name in ("verdicts", "claims")}
    content = {"study": findings.study, "provenance": findings.provenance, **rows}
    _write(folder / "verdicts.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    panels = with_files(panels)
    write_figures(panels, folder / FIGURES)
    document = report(findings, panels, unavailable)
    _write(folder / "report.md", markdown(document, FIGURES))
    _write(folder / "report.html", html(document))


def write_figures(panels: Sequence[Panel], folder: Folder) -> None:
    """Writes each panel and its numbers into a folder, in place of the figures of before; other files there stay."""
    for old in list_files(folder, FIGURE_NAMES):
        remove_file(folder / old)
    folder.mkdir(exist_ok=True)
    for panel in panels:
        _write(folder / f"{panel.file}.svg", panel.svg)
        _write(folder / f"{panel.file}.csv", csv_table(panel.data))


def with_files(panels: Sequence[Panel]) -> list[Panel]:
    """The panels with readable file names; a digest is added where two names could be one file on some disk."""
    titles = [unicodedata.normalize("NFC", f"{panel.name} {panel.dataset}") for panel in panels]
    names = [re.sub(r"[\W_]+", "-", title.casefold()).strip("-")[:_LONGEST] for title in titles]
    shared = Counter(names)
    named = []
    for panel, title, name in zip(panels, titles, names, strict=True):
        digest = f"-{hashlib.sha256(title.encode()).hexdigest()[:8]}"
        named.append(replace(panel, file=name + (digest if shared[name] > 1 or len(name) == _LONGEST else "")))
    return named


def _plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(path: Folder, text: str) -> None:
    write_whole(path, text.encode())
