r"""A table as LaTeX, in the style of booktabs: ``\usepackage{booktabs}``."""

from __future__ import annotations

import re

from analysis.plain_text import lines_text
from analysis.report.document.text_table import Badge, Cell, TextTable

_SPECIAL = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{letter: f"${letter}$" for letter in "<>|"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\u2026": r"\ldots{}",
    "\u00b1": r"$\pm$",
    "[": "{[}",  # at the start of a row it would be an option of the line break before
    "]": "{]}",
}
_MINUS = re.compile(r"(?<![\w.])-(?=\d)")
_TIMES = re.compile(r"^x (?=[\d.])")


def table(shown: TextTable) -> str:
    r"""A ``tabular``; columns of words stand left, those of figures right, and verdicts are bold."""
    columns = "".join("l" if heading in shown.words else "r" for heading in shown.headings)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _row(shown.headings), r"\midrule"]
    for previous, row in zip([None, *shown.rows], shown.rows, strict=False):
        if previous is not None and previous[0] != row[0]:
            lines.append(r"\addlinespace")
        lines.append(_row(row))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def text(plain: str) -> str:
    """A text of one line that LaTeX shows as it is, with minus signs before numbers."""
    line = " ".join(lines_text(plain).split())
    times = r"$\times$ " if _TIMES.match(line) else ""
    return times + _escaped(_TIMES.sub("", line))


def _escaped(line: str) -> str:
    parts = _MINUS.split(line)
    return "$-$".join("".join(_SPECIAL.get(letter, letter) for letter in part) for part in parts)


def _row(cells: tuple[Cell, ...]) -> str:
    return " & ".join(_cell(cell) for cell in cells) + r" \\"


def _cell(cell: Cell) -> str:
    return rf"\textbf{{{text(str(cell))}}}" if isinstance(cell, Badge) else text(str(cell))
