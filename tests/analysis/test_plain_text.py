"""What others wrote is shown, and does nothing."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.plain_text import csv_table, lines_text, markdown_text, message_text, name_text, terminal_text

anything = st.text(st.characters(), max_size=400)  # halves of surrogate pairs included


@given(text=anything)
def test_a_name_is_one_visible_line_of_bounded_length(text: str) -> None:
    said = name_text(text)
    assert all(letter.isprintable() or letter.isspace() for letter in said)
    assert not set(said) & set("\n\r\t\v\f\x1b\x85\u2028\u2029\u202a\u202e\u2066\u200b\ufeff")
    assert len(said) <= 120
    said.encode()


@given(text=anything)
def test_a_message_is_one_visible_line_of_bounded_length(text: str) -> None:
    assert len(message_text(text, 50).splitlines()) <= 1
    assert len(message_text(text, 50)) <= 50


@given(text=anything)
def test_lines_keep_their_breaks_and_nothing_else_unseen(text: str) -> None:
    assert lines_text(text).count("\n") == text.count("\n")
    assert not set(lines_text(text)) & set("\r\v\f\x1b\x85\u2028\u202e\u200f")


def test_plain_names_stay_as_they_are() -> None:
    for name in ("digits", "Vögel 2024", "鳥", "a_b-c.d", "n=3 (x)"):
        assert name_text(name) == message_text(name) == lines_text(name) == markdown_text(name) == name


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert name_text("a" * 300 + "b") != name_text("a" * 300 + "c")


def test_a_terminal_keeps_bars_and_colours_and_loses_all_other_control() -> None:
    assert terminal_text("\r  [##..] 1/2\x1b[K") == "\r  [##..] 1/2\x1b[K"
    assert terminal_text("\r  done\x1b[K\n") == "\r  done\x1b[K\n"
    assert terminal_text("\x1b[31mred\x1b[0m") == "\x1b[31mred\x1b[0m"
    assert terminal_text("a\rb\x1b[2Jc\x1b]0;title\x07\u202e") == "a\\rb\\x1b[2Jc\\x1b]0;title\\x07\\u202e"


def test_markdown_holds_no_html_links_or_pictures_of_others() -> None:
    assert markdown_text("<img src=x> <!-- a --> </p>") == "&lt;img src=x> &lt;!-- a --> &lt;/p>"
    assert markdown_text("![a](http://b)") == "![a]\\(http://b)"
    assert markdown_text("p <0.0001 [+1, +2] (n)") == "p <0.0001 [+1, +2] (n)"


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-x", "@sum", "\t=1", "\r=1", "\uff1d1"])
def test_a_cell_that_a_spreadsheet_would_compute_is_text(text: str) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_table(pd.DataFrame({"a": [text]}))))
    assert row["a"].startswith("'")
    assert row["a"].isprintable()


def test_numbers_in_csv_stay_numbers_and_lines_stay_lines() -> None:
    table = pd.DataFrame({"=x": [-1.5, 2.0], "text": ["-0.5", "a\nb"], "mixed": [-1, "+3"], "yes": [True, False]})
    assert csv_table(table) == "'=x,text,mixed,yes\n-1.5,-0.5,-1,True\n2.0,a\\nb,+3,False\n"
    numbers = table[["=x"]].rename(columns={"=x": "x"})
    assert csv_table(numbers) == numbers.to_csv(index=False)
