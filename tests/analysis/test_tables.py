"""Tables of verdicts for notebooks and papers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from analysis import tables, verdicts
from analysis.report.document.assembly import report
from analysis.report.renderers.markdown import markdown
from tests.analysis.findings import found
from tests.analysis.studies import simulated_runs


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(0), seeds=13, datasets=("digits", "synthetic"), effect=0.1)


@pytest.fixture(scope="module")
def table(runs: pd.DataFrame) -> pd.DataFrame:
    return verdicts(runs)


@pytest.fixture(scope="module")
def tuned(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table.estimand == "tuned") & (table.family == "secondary")]


def test_markdown_is_that_of_the_report(tuned: pd.DataFrame, runs: pd.DataFrame) -> None:
    assert tables.to_markdown(tuned) in markdown(report(found("small", runs)))


def test_several_estimands_have_a_column(table: pd.DataFrame) -> None:
    shown = tables.shown(table[table.metric == "map_at_r"]).table
    assert shown.headings[:4] == ("dataset", "metric", "estimand", "n")
    assert {row[2] for row in shown.rows} == {"tuned", "grid average", "default setting"}


def test_several_pairs_of_losses_have_columns(tuned: pd.DataFrame) -> None:
    shown = tables.shown(pd.concat([tuned, tuned.assign(first="angular")]))
    assert shown.table.headings[2:4] == ("first", "second")
    assert shown.arms == ("angular", "contrastive", "triplet")


def test_latex_has_a_row_for_each_verdict_and_a_cell_for_each_column(tuned: pd.DataFrame) -> None:
    lines = tables.to_latex(tuned).splitlines()
    headings = tables.shown(tuned).table.headings
    rows = [line for line in lines if line.endswith(r" \\")]
    assert len(rows) == 1 + len(tuned)
    assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(headings)}
    assert lines[:2] == [r"\begin{tabular}{" + "ll" + "r" * (len(headings) - 3) + "l}", r"\toprule"]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    assert lines.count(r"\midrule") == lines.count(r"\addlinespace") == 1  # between the two datasets
    assert r"digits & Recall@1 & 13 & " in rows[1]
    assert r"\textbf{triplet} \\" in rows[1]


def test_a_notebook_shows_badges_in_the_colours_of_the_losses(tuned: pd.DataFrame) -> None:
    shown = tables.shown(tuned)
    page = shown._repr_html_()
    assert page.count("<tr") == 1 + len(tuned)
    assert '<span class="badge arm2">triplet</span>' in page
    assert ".verdict-excerpt .arm2 { color:#0072B2; }" in page
    assert "<html" not in page
    assert str(shown) == repr(shown)
    assert str(shown).splitlines()[0].startswith("dataset    metric")


def test_names_of_datasets_are_no_html(tuned: pd.DataFrame) -> None:
    page = tables.shown(tuned.assign(dataset="<script>"))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_table_of_something_else_or_of_nothing_is_an_error(tuned: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="no column 'family'"):
        tables.to_latex(tuned.drop(columns="family"))
    with pytest.raises(ValueError, match="no rows"):
        tables.to_markdown(tuned[:0])
