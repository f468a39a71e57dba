"""Tables of text, as every form of the report shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.comparison.result import Result, Verdict


@dataclass(frozen=True)
class Badge:
    """A verdict in a cell.

    Attributes:
        text: What it says.
        kind: The arm that it names, else its outcome.
    """

    text: str
    kind: str

    def __str__(self) -> str:
        """Its text."""
        return self.text


@dataclass(frozen=True)
class Link:
    """Words that lead to an address."""

    text: str
    address: str

    def __str__(self) -> str:
        """Its words."""
        return self.text


Cell = str | Badge | Link
FACETS = ("dataset", "metric", "estimand", "first", "second")  # headings


@dataclass(frozen=True)
class TextTable:
    """Cells of text under headings.

    Attributes:
        headings: One a column.
        words: Headings of columns with words, aligned left; all other columns hold numbers. The table may lack some of
            these headings.
        rows: One cell a column each.
        answer: Heading of the verdict column, which HTML moves to the left, so that phones show it; None without one.
        prose: Heading of a column of sentences, which may break into lines; None if there is none.
        about: What all rows have in common, by the headings of `FACETS` that are no columns here.
        marks: For each row the margin and the miner that it is of; none if it is empty.
    """

    headings: tuple[str, ...]
    words: frozenset[str]
    rows: Sequence[tuple[Cell, ...]]
    answer: str | None = None
    prose: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    marks: Sequence[Mapping[str, str]] = ()

    def facets(self, row: tuple[Cell, ...]) -> dict[str, str]:
        """What a row is about, by `FACETS`: what a page filters its rows by."""
        cells = {name: str(cell) for name, cell in zip(self.headings, row, strict=True) if name in FACETS}
        return {**self.about, **cells}

    def without(self, heading: str) -> TextTable:
        """The table without one of its columns."""
        position = self.headings.index(heading)

        def rest(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
            return (*row[:position], *row[position + 1 :])

        headings = tuple(name for name in self.headings if name != heading)
        return replace(self, headings=headings, rows=[rest(row) for row in self.rows])

    def answer_first(self) -> TextTable:
        """The table with the answer moved behind the first columns of words."""
        if self.answer is None:
            return self
        source = self.headings.index(self.answer)
        target = next((i for i, name in enumerate(self.headings) if name not in self.words), source)

        def moved(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
            rest = (*row[:source], *row[source + 1 :])
            return (*rest[:target], row[source], *rest[target:])

        headings = tuple(str(cell) for cell in moved(self.headings))
        return replace(self, headings=headings, rows=[moved(row) for row in self.rows])


def verdict_badge(verdict: Verdict, note: str = "") -> Badge:
    """A verdict as a badge, with a note behind it."""
    return Badge(f"{verdict}{note}", verdict.side or verdict.outcome)


def result_badge(result: Result) -> Cell:
    """A result's verdict, and whether it is an equivalence that is not zero, or rests on skewed differences.

    A dash where there is no verdict.
    """
    if result.is_shown:
        return "-"
    notes = ["not zero"] * result.not_zero + ["skewed"] * (result.asymmetric and result.judged.test is not None)
    return verdict_badge(result.judged, f" ({', '.join(notes)})" if notes else "")
