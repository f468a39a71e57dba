"""Tables for people: verdicts with the columns, numbers and words of the report, for notebooks and papers.

from analysis import load_study, tables, verdicts

table = verdicts(load_study("demo"))
tables.shown(table[table.estimand == "tuned"])  # shows itself in Jupyter
print(tables.to_latex(table[table.metric == "map_at_r"]))
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.comparison.result import results_of
from analysis.report.arms import arm_styles
from analysis.report.document.blocks import Document, Table
from analysis.report.document.tables import verdict_rows
from analysis.report.document.text_table import TextTable
from analysis.report.renderers import latex, markdown, terminal
from analysis.report.renderers.html import fragment


@dataclass(frozen=True)
class ShownTable:
    """A table as the report shows it. Jupyter shows it as HTML, `print` with aligned columns.

    Attributes:
        table: Its cells.
        arms: All arms that it names, in alphabetical order.
    """

    table: TextTable
    arms: tuple[str, ...]

    def __str__(self) -> str:
        """Aligned columns."""
        return terminal.table(self.table)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return fragment(Document("", "", arm_styles(self.arms), (Table(self.table),)))


def shown(table: pd.DataFrame) -> ShownTable:
    """A table of verdicts as the report shows it, which displays itself in Jupyter.

    Args:
        table: Rows of `analysis.verdicts`, with all their columns: those to be shown. If they are of several estimands,
            these have a column.

    Raises:
        ValueError: If it has no rows, or lacks a column.

    Examples:
        >>> from analysis import load_study, verdicts
        >>> table = verdicts(load_study("demo"))
        >>> shown(table[(table.metric == "map_at_r") & (table.estimand == "tuned")]).table.headings[:3]
        ('dataset', 'metric', 'n')
    """
    results = results_of(table)
    if not results:
        raise ValueError("this table of verdicts has no rows: there is nothing to show")
    return ShownTable(verdict_rows(results), tuple(sorted({arm for result in results for arm in result.arms})))


def to_markdown(table: pd.DataFrame) -> str:
    """A table of verdicts as Markdown, with the columns of the report.

    Args:
        table: As for `shown`.

    Raises:
        ValueError: Likewise.

    Examples:
        >>> from analysis import load_study, verdicts
        >>> table = verdicts(load_study("demo"))
        >>> text = to_markdown(table[(table.metric == "map_at_r") & (table.estimand == "tuned")])
        >>> text.splitlines()[2][:62]
        '| digits | MAP@R | 13 | 59.72% | 49.99% | +9.74 pt | [+9.21, +'
    """
    return markdown.table(shown(table).table)


def to_latex(table: pd.DataFrame) -> str:
    r"""A table of verdicts as a LaTeX ``tabular``, with the columns of the report; it needs the package booktabs.

    Args:
        table: As for `shown`.

    Raises:
        ValueError: Likewise.

    Examples:
        >>> from analysis import load_study, verdicts
        >>> table = verdicts(load_study("demo"))
        >>> print(to_latex(table[(table.metric == "map_at_r") & (table.estimand == "tuned")]).splitlines()[0])
        \begin{tabular}{llrrrrrrrl}
    """
    return latex.table(shown(table).table)
