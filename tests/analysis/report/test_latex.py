"""Texts and tables as LaTeX."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.document.text_table import Badge, TextTable
from analysis.report.renderers import latex

_COMMANDS = re.compile(r"\\(?:[a-zA-Z]+(?:\{\})?|[&%$#_{}])")


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ("-5.83 pt", "$-$5.83 pt"),
        ("[-6.55, +5.11]", "{[}$-$6.55, +5.11{]}"),
        ("x 1.11", r"$\times$ 1.11"),
        ("<0.0001", "$<$0.0001"),
        ("79.23%", r"79.23\%"),
        ("map_at_r", r"map\_at\_r"),
        ("sign-flip 2-5, x y", "sign-flip 2-5, x y"),
        ("-", "-"),
        ("a\\b{c}^~#&$", r"a\textbackslash{}b\{c\}\textasciicircum{}\textasciitilde{}\#\&\$"),
        ("two\nlines", "two lines"),
    ],
)
def test_a_text_is_shown_as_it_is(plain: str, expected: str) -> None:
    assert latex.text(plain) == expected


@given(st.text())
def test_no_text_can_break_out_of_its_cell(plain: str) -> None:
    """What is left beside commands has no letter that means something to LaTeX, and braces and dollars are in pairs."""
    rest = _COMMANDS.sub("", latex.text(plain))
    assert not set("&%#_~^\\\n") & set(rest)
    assert rest.count("{") == rest.count("}")
    assert rest.count("$") % 2 == 0


def test_verdicts_are_bold_and_columns_of_words_stand_left() -> None:
    table = TextTable(("a", "n"), frozenset({"a"}), [("x_1", "3"), ("y", Badge("better", "better"))])
    assert latex.table(table).splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"a & n \\",
        r"\midrule",
        r"x\_1 & 3 \\",
        r"\addlinespace",
        r"y & \textbf{better} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
