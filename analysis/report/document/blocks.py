"""What a document is made of; every renderer writes each kind of block in its own form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analysis.report.arms import ArmStyle
from analysis.report.document.text_table import Cell, Link, TextTable
from analysis.report.document.wording import Answer, Headline
from analysis.report.figures.panels import Panel


@dataclass(frozen=True)
class Heading:
    """A heading, of level 2 or 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences; words between backquotes are code.

    Attributes:
        text: The sentences.
        kind: How they are set.
        source: A link behind them, to what they rest on; None without one.
    """

    text: str
    kind: Literal["text", "caption", "note", "warning"] = "text"
    source: Link | None = None


@dataclass(frozen=True)
class Bullets:
    """A list, with a line that leads up to it."""

    lines: tuple[str, ...]
    lead: str = ""


@dataclass(frozen=True)
class Headlines:
    """What to do on each dataset; a report opens with it."""

    lines: tuple[Headline, ...]


@dataclass(frozen=True)
class Claims:
    """The claims with what the study says of each."""

    answers: tuple[Answer, ...]
    claimant: str


@dataclass(frozen=True)
class Table:
    """A table."""

    table: TextTable


@dataclass(frozen=True)
class RegionRow:
    """A verdict under each width of its region.

    Attributes:
        about: Which row of a table it stands in, by `FACETS`.
        verdicts: For each width the verdict and the p-value that decides.
    """

    about: dict[str, str]
    verdicts: tuple[tuple[Cell, str], ...]


@dataclass(frozen=True)
class Regions:
    """What a page shows where a reader sets the region of practical equivalence of metrics; other forms have none.

    Attributes:
        name: Under which a page's address has the half-width.
        metrics: As its tables name them.
        widths: The half-widths, as shares.
        own: The place of the one that the rest of the report uses.
        rows: One for each verdict on the metrics.
    """

    name: str
    metrics: tuple[str, ...]
    widths: tuple[float, ...]
    own: int
    rows: tuple[RegionRow, ...]


@dataclass(frozen=True)
class SeedPoint:
    """A seed's difference.

    Attributes:
        at: In points.
        said: What it is of, in words.
        marks: The margins and the miners of its runs.
        runs: Their keys, in the order of the words, and where each is shown; empty where that is not known.
    """

    at: float
    said: str
    marks: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[Link, ...] = ()


@dataclass(frozen=True)
class SeedStrip:
    """The seeds of one comparison, their mean and its 95% interval, in points."""

    label: str
    points: tuple[SeedPoint, ...]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Seeds:
    """A figure that only a page has: each seed as a dot that says which runs it is, on the region of equivalence.

    Attributes:
        strips: From the top.
        ticks: Of the one axis, in points; the outer ones are its ends.
        rope: Half-width of the region that the report uses, in points.
        metric: Of which the differences are, as people read it.
        minus: What is subtracted from what, in words.
        shown_at: Where its runs are shown; empty where that is not known.
    """

    strips: tuple[SeedStrip, ...]
    ticks: tuple[float, ...]
    rope: float
    metric: str
    minus: str
    shown_at: str = ""


@dataclass(frozen=True)
class Figures:
    """Figures side by side, under their dataset's name; `captions` are those of single figures."""

    panels: tuple[Panel, ...]
    dataset: str = ""
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Details:
    """What a page shows only on demand.

    Attributes:
        summary: What it is, in words.
        blocks: What is shown.
        is_place: Whether a link may lead to it, as to a heading; no other place has its words then.
    """

    summary: str
    blocks: tuple[Block, ...]
    is_place: bool = False


@dataclass(frozen=True)
class Question:
    """A question that readers ask, and where a document answers it.

    Attributes:
        text: The question.
        place: The words of a heading, or of details.
        rope: The region of practical equivalence that it is about, as a share; None where it is about none.
    """

    text: str
    place: str
    rope: float | None = None


@dataclass(frozen=True)
class Questions:
    """Links from questions to answers, for a page; other forms are read from top to bottom."""

    questions: tuple[Question, ...]


Block = Heading | Paragraph | Bullets | Headlines | Claims | Table | Regions | Seeds | Figures | Details | Questions


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        question: What it is about.
        study: The study's name.
        arms: How each arm is shown.
        blocks: What it says, in order.
    """

    question: str
    study: str
    arms: dict[str, ArmStyle]
    blocks: tuple[Block, ...]
