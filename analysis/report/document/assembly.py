"""Which blocks a report and its summary are made of, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from analysis.comparison.pairing import DEFAULT_SETTING
from analysis.comparison.result import Result
from analysis.conclusions.claims_file import PAPER_ADDRESS
from analysis.metrics import AT_DEFAULT, GRID_AVERAGE, PERFORMANCE, TUNED, Estimand, Family
from analysis.report.arms import arm_styles
from analysis.report.document import captions
from analysis.report.document.advising import gain_rows, gains_text, headlines
from analysis.report.document.blocks import (
    Block,
    Bullets,
    Claims,
    Details,
    Document,
    Figures,
    Heading,
    Headlines,
    Paragraph,
    Question,
    Questions,
    Table,
)
from analysis.report.document.leads import LEAD, effort_lines
from analysis.report.document.regions import regions, seeds
from analysis.report.document.runs import chosen_runs, diverged_runs, fate_lines, fate_texts, fixed_lines, run_table
from analysis.report.document.searching import absent_text, method_text, search_lines
from analysis.report.document.tables import (
    P_DECIDES,
    claim_rows,
    evidence_rows,
    overall_rows,
    sensitivity_rows,
    slice_tables,
    verdict_rows,
)
from analysis.report.document.text_table import Link
from analysis.report.document.wording import (
    answers,
    decay_lines,
    methods,
    tuning_lines,
    units_text,
)
from analysis.report.figures.panels import TUNING_EFFORT, Panel
from analysis.report.findings import THE_PAPER, Findings

FAMILIES: dict[Family, str] = {
    "primary": "Which loss performs better: MAP@R on test data",
    "mechanism": "What the losses do",
    "secondary": "Recall@1 and accuracies on test data",
}
_PAPER = Link("The paper: arXiv 2510.02161", PAPER_ADDRESS)
_DEFAULT = f"default setting ({DEFAULT_SETTING})"
_TUNED = "each loss tuned"
_TO_DO, _OVERALL, _MARGINS, _RUNS = "What to do", "Over all datasets", "Margins", "Runs"
_SENSITIVITY = "Tuned verdicts with other regions of practical equivalence"
_CHOSEN, _DIVERGED = "The runs that each seed chose", "The runs that diverged"
# In the order of a report. A summary has those that answer a question of their own.
_SECTIONS: tuple[tuple[Estimand, Family, str, bool], ...] = (
    (TUNED, "primary", _TUNED, True),
    (TUNED, "secondary", _TUNED, True),
    (TUNED, "mechanism", _TUNED, True),
    (GRID_AVERAGE, "mechanism", "grid average, at these margins", True),
    (GRID_AVERAGE, "primary", "grid average", False),
    (GRID_AVERAGE, "secondary", "grid average", False),
    (AT_DEFAULT, "primary", _DEFAULT, False),
    (AT_DEFAULT, "mechanism", _DEFAULT, False),
    (AT_DEFAULT, "secondary", _DEFAULT, False),
)


def report(findings: Findings, panels: Sequence[Panel] = (), unavailable: Sequence[str] = ()) -> Document:
    """The whole report: what to do, the answers, the tables, the figures, the methods, and where it came from.

    Args:
        findings: What it says.
        panels: What it shows, those of one section together.
        unavailable: Why some panels are not there.
    """
    blocks = [
        *_advice_blocks(findings),
        *(Paragraph(warning, "warning") for warning in findings.warnings),
        Heading(_claims_title(findings)),
        Paragraph(captions.claims_caption(findings), "caption", _source(findings)),
        Claims(tuple(answers(findings)), findings.claimant),
        Heading("Every claim on every dataset, beside the figure reported", 3),
        Table(claim_rows(findings.claims)),
        *_verdict_blocks(findings),
        Paragraph(units_text(findings), "note"),
        *(Paragraph(text, "note") for text in (absent_text(findings),) if text),
        *_figure_blocks(findings, panels),
        *(Paragraph(line, "note") for line in unavailable),
        *_further_blocks(findings),
        *_closing_blocks(findings),
    ]
    return _document(findings, [_questions(findings, blocks), *blocks])


def _questions(findings: Findings, blocks: Sequence[Block]) -> Questions:
    """What readers ask of a report, each with the first place that answers; without those that it cannot answer."""
    half_a_point = 0.005
    asked: tuple[tuple[str, tuple[str, ...], float | None], ...] = (
        ("Which loss for my data?", (_TO_DO,), None),
        ("How sure is that?", (_title("primary", _TUNED),), None),
        ("At which margin?", (_MARGINS, _CHOSEN), None),
        ("What if half a point matters?", (_SENSITIVITY,), half_a_point),
        ("Is it so on every dataset?", (_OVERALL,), None),
        ("Is it so without tuning?", (_title("primary", _DEFAULT),), None),
        ("What do the losses do?", (_title("mechanism", _TUNED),), None),
        (f"Is {findings.claimant} right?", (_claims_title(findings),), None),
        ("Which runs diverged?", (_DIVERGED, _RUNS), None),
        ("Which runs is it from?", (_CHOSEN,), None),
    )
    known = set(_places(blocks))
    found = ((text, next((place for place in places if place in known), None), rope) for text, places, rope in asked)
    return Questions(tuple(Question(text, place, rope) for text, place, rope in found if place is not None))


def _places(blocks: Sequence[Block]) -> Iterator[str]:
    """Where links may lead."""
    for block in blocks:
        if isinstance(block, Heading):
            yield block.text
        elif isinstance(block, Details):
            if block.is_place:
                yield block.summary
            yield from _places(block.blocks)


def _claims_title(findings: Findings) -> str:
    return f"What {findings.claimant} claims, and what this study says"


def _title(family: Family, how: str) -> str:
    """Of a part of the verdict table."""
    return f"{FAMILIES[family]}, {how}"


def summary(findings: Findings) -> Document:
    """What to do, the verdicts, the claims and the warnings in short, for a terminal."""
    blocks = _advice_blocks(findings)
    for title, results, answering in _sections(findings):
        judged = [result for result in results if not result.is_shown]
        if answering and judged:
            blocks += [Heading(title), Table(verdict_rows(judged).without(P_DECIDES))]
            if _is_headline(results):
                blocks.append(Bullets(tuple(effort_lines(findings)), LEAD))
    blocks += [
        Heading(f"What {findings.claimant}{_cited(findings)} claims, over all datasets"),
        Claims(tuple(answers(findings)), findings.claimant),
        *(Paragraph(f"Warning: {warning}") for warning in findings.warnings),
    ]
    return _document(findings, blocks)


def excerpt(findings: Findings) -> Document:
    """`answer_blocks`, for a notebook."""
    return _document(findings, answer_blocks(findings))


def _source(findings: Findings) -> Link | None:
    """Where the claims stand; None for a file of one's own."""
    return _PAPER if findings.claimant == THE_PAPER else None


def _cited(findings: Findings) -> str:
    return f" ({_PAPER.text.rpartition(': ')[2]})" if _source(findings) else ""


def answer_blocks(findings: Findings) -> list[Block]:
    """Which loss is better, in short: what to do on each dataset, and the verdicts on performance, each loss tuned."""
    blocks: list[Block] = [Headlines(tuple(headlines(findings)))]
    performing = [result for result in findings.results if result.estimand == TUNED and result.family in PERFORMANCE]
    judged = [result for result in performing if not result.is_shown]
    return [*blocks, Table(verdict_rows(judged).without(P_DECIDES))] if judged else blocks


def _advice_blocks(findings: Findings) -> list[Block]:
    """What to do on each dataset, and what that gains."""
    blocks: list[Block] = [Heading(_TO_DO), Headlines(tuple(headlines(findings)))]
    gains = gain_rows(findings)
    if gains.rows:
        blocks += [Table(gains), Paragraph(gains_text(findings), "caption")]
    return blocks


def _document(findings: Findings, blocks: Sequence[Block]) -> Document:
    arms = findings.arms
    question = f"{' or '.join(arms)}?" if len(arms) > 1 else f"{arms[0]} alone."
    return Document(question[:1].upper() + question[1:], findings.study, arm_styles(arms), tuple(blocks))


def _sections(findings: Findings) -> list[tuple[str, list[Result], bool]]:
    """The parts of the verdict table, each with its title and whether a summary has it."""
    parts = []
    for estimand, family, how, answering in _SECTIONS:
        results = [r for r in findings.results if (r.estimand, r.family) == (estimand, family)]
        if results:
            parts.append((_title(family, how), results, answering))
    return parts


def _verdict_blocks(findings: Findings) -> list[Block]:
    """The verdict table in its parts; a page shows those that answer a question of their own, and folds the others."""
    blocks: list[Block] = []
    for title, results, answering in _sections(findings):
        section = _section_blocks(findings, results)
        blocks += [Heading(title), *section] if answering else [Details(title, tuple(section), is_place=True)]
    return blocks


def _is_headline(results: Sequence[Result]) -> bool:
    """Whether a section has the verdicts on which loss performs better, each tuned."""
    return (results[0].estimand, results[0].family) == (TUNED, "primary")


def _section_blocks(findings: Findings, results: Sequence[Result]) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(captions.verdicts_caption(results), "caption"),
        Table(verdict_rows(results)),
    ]
    sweeps = [sweep for sweep in findings.regions if sweep.family == results[0].family and sweep.decides]
    if results[0].estimand == TUNED:
        blocks[1:1] = [regions(sweep, findings) for sweep in sweeps]
    if _is_headline(results):
        blocks[2:2] = [seeds(findings)] if sweeps else []
        blocks.append(Paragraph(captions.tested_data_caption(findings), "note"))
        blocks.append(Bullets(tuple(tuning_lines(findings)), "What tuning chose:"))
        chosen = chosen_runs(findings)
        blocks += [Details(_CHOSEN, (Table(chosen),), is_place=True)] if chosen.rows else []
    lead = "Epochs until the loss is a tenth of the untrained network's:"
    blocks.append(Bullets(tuple(decay_lines(results)), lead))
    blocks.append(Details("Effect sizes and the p-values that decide", (Table(evidence_rows(results)),)))
    return blocks


def _figure_blocks(findings: Findings, panels: Sequence[Panel]) -> list[Block]:
    blocks: list[Block] = []
    for section, group in groupby(panels, key=lambda panel: panel.section):
        drawn = list(group)
        blocks += [Heading(section), Paragraph(captions.figures_caption(section, drawn, findings), "caption")]
        if section == TUNING_EFFORT:
            blocks.append(Bullets(tuple(effort_lines(findings)), LEAD))
        by_dataset = [(dataset, list(one)) for dataset, one in groupby(drawn, key=lambda panel: panel.dataset)]
        if all(len(one) == 1 for _, one in by_dataset):
            blocks.append(Figures(tuple(drawn), captions=tuple(panel.dataset for panel in drawn)))
        else:
            blocks += [Figures(tuple(one), dataset) for dataset, one in by_dataset]
    return blocks


def _further_blocks(findings: Findings) -> list[Block]:
    """Verdicts over all datasets, with other regions of equivalence, and on parts of the grid."""
    blocks: list[Block] = []
    if findings.overall:
        blocks += [Heading(_OVERALL), Paragraph(captions.overall_caption(findings), "caption")]
        blocks.append(Table(overall_rows(findings.overall, findings.results)))
    if findings.sensitivity:
        blocks.append(Heading(_SENSITIVITY))
        blocks.append(Paragraph(captions.sensitivity_caption(findings), "caption"))
        blocks.append(Table(sensitivity_rows(findings.sensitivity)))
    if findings.slices:
        blocks += [Heading("Exploratory: parts of the grid"), Paragraph(captions.slices_caption(findings), "caption")]
        for title, table in slice_tables(findings.slices):
            blocks += [Heading(title, 3), Table(table)]
    return blocks


def _closing_blocks(findings: Findings) -> list[Block]:
    origin = tuple(f"{name}: {', '.join(values)}" for name, values in findings.provenance.items())
    diverged = diverged_runs(findings)
    return [
        Heading(_RUNS),
        Table(run_table(findings)),
        *([Details(_DIVERGED, (Table(diverged),), is_place=True)] if diverged.rows else []),
        Bullets(tuple(fate_lines(findings)), "Runs that ended well, yet learned no further (epochs are medians):"),
        *(Paragraph(text, "note") for text in fate_texts(findings)),
        Bullets(tuple(search_lines(findings)), "How each seed's settings were chosen:"),
        Bullets(tuple(fixed_lines(findings))),
        Heading("Methods"),
        *(Paragraph(paragraph) for paragraph in (*methods(findings), method_text(findings)) if paragraph),
        Heading("Where it came from"),
        Bullets(origin),
    ]
