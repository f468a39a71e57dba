"""A document as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.plain_text import markdown_text
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
    Questions,
    Regions,
    Seeds,
    Table,
)
from analysis.report.document.text_table import Badge, Cell, TextTable
from analysis.report.document.wording import Answer
from analysis.report.figures.panels import Panel


def markdown(document: Document, figures: str = "") -> str:
    """The whole text.

    Args:
        document: What it says.
        figures: The folder of the figures, beside the text; panels without a file are left out.
    """
    parts = [f"# {document.question} Study `{document.study}`", *(_block(block, figures) for block in document.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def blocks_text(blocks: Iterable[Block]) -> str:
    """Some blocks without figures, as a part of another text."""
    return "\n\n".join(text for text in (_block(block, "") for block in blocks) if text)


def _block(block: Block, figures: str) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {markdown_text(block.text)}"
        case Paragraph():
            link = f" [{block.source.text}]({block.source.address})" if block.source else ""
            text = f"{markdown_text(block.text)}{link}"
            return f"> **Warning:** {text}" if block.kind == "warning" else text
        case Bullets():
            lead = f"{markdown_text(block.lead)}\n\n" if block.lead and block.lines else ""
            return lead + _list(map(markdown_text, block.lines))
        case Headlines():
            said = [f"{line.answer}{f' ({line.evidence})' if line.evidence else ''}" for line in block.lines]
            return _list(f"**{markdown_text(text)}**" for text in said)
        case Claims():
            return _list(markdown_text(_answer(answer, block.claimant)) for answer in block.answers)
        case Table():
            return table(block.table) if block.table.rows else ""
        case Questions() | Regions() | Seeds():
            return ""
        case Figures():
            return _figures(block, figures)
        case Details():
            inner = [_block(one, figures) for one in block.blocks]
            return "\n\n".join([f"{markdown_text(block.summary)}:", *inner]) if any(inner) else ""


def table(shown: TextTable) -> str:
    """A Markdown table; columns of words stand left, those of figures right, and verdicts are bold."""
    rules = ["---" if heading in shown.words else "---:" for heading in shown.headings]
    rows = [[_cell(cell) for cell in row] for row in shown.rows]
    headings = [_cell(heading) for heading in shown.headings]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, rules, *rows))


def _cell(cell: Cell) -> str:
    text = " ".join(markdown_text(str(cell)).replace("|", "\\|").split())
    return f"**{text}**" if isinstance(cell, Badge) and text else text


def _answer(answer: Answer, claimant: str) -> str:
    elsewhere = f"; {claimant} reports {answer.elsewhere}" if answer.elsewhere else ""
    return f"{answer.statement} ({answer.metric}): **{answer.said}** overall; {answer.detail}{elsewhere}"


def _figures(block: Figures, figures: str) -> str:
    captions = block.captions or ("",) * len(block.panels)
    shown = [(panel, caption) for panel, caption in zip(block.panels, captions, strict=True) if panel.file]
    heading = [f"### {markdown_text(block.dataset)}"] if block.dataset and shown else []
    return "\n\n".join([*heading, *(_figure(panel, caption, figures) for panel, caption in shown)])


def _figure(panel: Panel, caption: str, figures: str) -> str:
    alt = markdown_text(panel.alt).replace("[", "(").replace("]", ")")
    lines = [*([f"**{markdown_text(caption)}**"] if caption else []), f"![{alt}]({figures}/{panel.file}.svg)"]
    return "\n\n".join([*lines, *([markdown_text(panel.note)] if panel.note else [])])


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
