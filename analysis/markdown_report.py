"""The report as Markdown."""

from __future__ import annotations

import pandas as pd

from analysis.captions import (
    SENSITIVITY,
    SLICES,
    claims_caption,
    overall_caption,
    sensitivity_caption,
    slices_caption,
    verdicts_caption,
)
from analysis.findings import Findings
from analysis.tables import (
    TextTable,
    claim_rows,
    evidence_rows,
    markdown,
    overall_rows,
    sensitivity_rows,
    slice_tables,
    verdict_rows,
)
from analysis.verdict_table import GRID_AVERAGE, TUNED
from analysis.wording import (
    FAMILIES,
    UNITS,
    Answer,
    answers,
    decay_lines,
    headline,
    methods,
    run_lines,
    setting_lines,
    tuning_lines,
)

RUN_HEADINGS = ("dataset", "loss", "runs", "conditions", "seeds", "diverged")


def sections(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The parts of a verdict table in the order of a report, each with its title; the headline estimands first."""
    order = [
        (f"{FAMILIES['primary']}, each loss tuned", TUNED, "primary"),
        (f"{FAMILIES['secondary']}, each loss tuned", TUNED, "secondary"),
        (f"{FAMILIES['mechanism']}, grid average", GRID_AVERAGE, "mechanism"),
        (f"{FAMILIES['primary']}, grid average", GRID_AVERAGE, "primary"),
        (f"{FAMILIES['secondary']}, grid average", GRID_AVERAGE, "secondary"),
    ]
    parts = [(title, table[(table["estimand"] == e) & (table["family"] == family)]) for title, e, family in order]
    return [(title, part) for title, part in parts if len(part)]


def report_text(findings: Findings) -> str:
    """The whole report: the answers, the tables, what was dropped, the methods, and where it came from."""
    parts = [
        f"# Contrastive or triplet? Study `{findings.study}`",
        _list(f"**{line}**" for line in headline(findings)),
        f"## What {findings.claimant} claims, and what this study says",
        claims_caption(findings),
        _list(_answer(findings, answer) for answer in answers(findings)),
        _table(claim_rows(findings.claims, findings.table), bold=2),
    ]
    for title, rows in sections(findings.table):
        parts += [
            f"## {title}",
            verdicts_caption(rows),
            _table(verdict_rows(rows), bold=9),
            _table(evidence_rows(rows)),
        ]
        if (rows["metric"] == "loss_decay_epochs").any():
            parts.append(
                "Epochs until the loss is a tenth of the untrained network's:\n\n" + _list(decay_lines(findings))
            )
        if (rows["estimand"] == TUNED).all() and (rows["family"] == "primary").all():
            parts.append("What tuning chose:\n\n" + _list(tuning_lines(findings)))
    parts += [UNITS]
    if len(findings.sensitivity):
        parts += [f"## {SENSITIVITY}", sensitivity_caption(findings), _table(sensitivity_rows(findings.sensitivity))]
    if len(findings.overall):
        table = overall_rows(findings.overall, findings.table)
        parts += ["## Over all datasets", overall_caption(findings), _table(table, bold=8)]
    if len(findings.slices):
        parts += [f"## {SLICES}", slices_caption(findings)]
        for title, table in slice_tables(findings.slices):
            parts += [f"### {title}", _table(table)]
    parts += [
        "## Runs",
        markdown(RUN_HEADINGS, {0, 1}, run_lines(findings)),
        _list(setting_lines(findings)),
        "## Methods",
        *methods(findings),
        "## Where it came from",
        _list(f"{name}: {', '.join(values)}" for name, values in findings.provenance.items()),
    ]
    if findings.warnings:
        parts += ["## Warnings", _list(findings.warnings)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _answer(findings: Findings, answer: Answer) -> str:
    elsewhere = f"; {findings.claimant} reports {answer.elsewhere}" if answer.elsewhere else ""
    return f"{answer.statement}: **{answer.verdict}** overall; {answer.detail}{elsewhere}"


def _list(lines: object) -> str:
    return "\n".join(f"- {line}" for line in lines)  # type: ignore[attr-defined]


def _table(table: TextTable, bold: int | None = None) -> str:
    rows = [
        tuple(f"**{text}**" if position == bold and text else text for position, text in enumerate(row))
        for row in table.rows
    ]
    return markdown(table.headings, table.words, rows) if rows else ""
