"""A document as the text of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.plain_text import lines_text
from analysis.report.document.blocks import Block, Bullets, Claims, Document, Heading, Headlines, Paragraph, Table
from analysis.report.document.text_table import Cell, TextTable


def terminal(document: Document) -> str:
    """The whole text, with aligned columns; without figures and details."""
    return lines_text("\n\n".join(text for block in document.blocks if (text := _block(block))))


def _block(block: Block) -> str:
    match block:
        case Heading() | Paragraph():
            return block.text
        case Bullets():
            return "\n".join([*([block.lead] if block.lead and block.lines else []), *block.lines])
        case Headlines():
            return "\n".join(f"{line.answer}{f' ({line.evidence})' if line.evidence else ''}" for line in block.lines)
        case Claims():
            width = max((len(answer.statement) for answer in block.answers), default=0)
            return "\n".join(f"{answer.statement.ljust(width)}  {answer.said}" for answer in block.answers)
        case Table():
            return table(block.table)
        case _:
            return ""


def table(shown: TextTable) -> str:
    """Aligned columns, a blank line where the first column changes."""
    rows = [tuple(map(str, row)) for row in shown.rows]
    widths = [max(map(len, column)) for column in zip(shown.headings, *rows, strict=True)]
    words = [heading in shown.words for heading in shown.headings]
    lines = [_aligned(shown.headings, widths, words), "  ".join("-" * width for width in widths)]
    for previous, row in zip([None, *rows], rows, strict=False):
        if previous and previous[0] != row[0]:
            lines.append("")
        lines.append(_aligned(row, widths, words))
    return "\n".join(lines)


def _aligned(row: Sequence[Cell], widths: Sequence[int], words: Sequence[bool]) -> str:
    cells = zip(map(str, row), widths, words, strict=True)
    return "  ".join(text.ljust(width) if word else text.rjust(width) for text, width, word in cells).rstrip()
