"""README's table of what was measured: ``python -m tests.benchmarks.table build/bench.json``.

It keeps the figures in `FIGURES`, from which the table is made, and writes the table between its two marks in README.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.figures import Measured, read_measured, rows, write_measured

FIGURES = Path(__file__).with_name("figures.json")
README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def table(measured: Measured) -> str:
    """The figures in Markdown, with where they come from."""
    lines = [
        f"`make bench` on {measured.machine}, {measured.day}: medians, with the least and the most in brackets",
        "",
    ]
    lines += ["| what | how | time | times the first |", "| --- | --- | --- | --- |"]
    for figure in measured.figures:
        for number, row in enumerate(rows(figure)):
            lines.append(f"| {' | '.join(('' if number else figure.what, *row))} |")
    return "\n".join([*lines, "", f"With {measured.libraries}."])


def with_table(text: str, measured: Measured) -> str:
    """A text with the table between its marks.

    Raises:
        ValueError: If the marks are missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no {BEGIN} ... {END} in it")
    return f"{before}{begin}\n{table(measured)}\n{end}{after}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.benchmarks.table FILE, as `make bench` writes it")
    found = read_measured(Path(sys.argv[1]))
    write_measured(FIGURES, found)
    README.write_text(with_table(README.read_text(), found))
