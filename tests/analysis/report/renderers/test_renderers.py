"""One document in three forms."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.report.arms import arm_styles
from analysis.report.document.assembly import report
from analysis.report.document.blocks import (
    Block,
    Bullets,
    Details,
    Document,
    Figures,
    Heading,
    Headlines,
    Paragraph,
    Table,
)
from analysis.report.document.text_table import Badge, TextTable
from analysis.report.document.wording import Headline
from analysis.report.figures.panels import Panel
from analysis.report.renderers.html import html
from analysis.report.renderers.markdown import markdown
from analysis.report.renderers.terminal import terminal
from tests.analysis.findings import found
from tests.analysis.studies import simulated_runs

TABLE = TextTable(("what", "n", "verdict"), frozenset({"what", "verdict"}), [("a", "1", Badge("up", "up"))], "verdict")
PANEL = Panel(
    "Margins",
    "digits",
    "margins",
    '<svg width="72pt" viewBox="0 0 72 72"></svg>',
    pd.DataFrame(),
    "a picture",
    "1 seed",
    1.0,
    file="m-d",
)
BLOCKS: tuple[Block, ...] = (
    Headlines((Headline("It is up", "n = 1"), Headline("It is not"))),
    Paragraph("Take care.", "warning"),
    Heading("Part"),
    Paragraph("Of `this` and <that>."),
    Bullets(("one", "two"), "Some:"),
    Table(TABLE),
    Details("More", (Table(TABLE),)),
    Figures((PANEL,), "digits"),
)
DOCUMENT = Document("Up or down?", "s", arm_styles(["down", "up"]), BLOCKS)


def test_html_escapes_what_is_text_and_marks_what_is_code_or_an_arm() -> None:
    text = html(DOCUMENT)
    assert "<li><b>It is up</b> <small>(n = 1)</small></li>" in text
    assert "<li><b>It is not</b></li>" in text
    assert "<code>this</code> and &lt;that&gt;." in text
    assert '<span class="badge arm2">up</span>' in text
    assert '<p class="warning">Take care.</p>' in text
    assert re.search(r"<details><summary>More</summary>\s*<div", text)
    assert '<svg width="96" viewBox="0 0 72 72" role="img" aria-label="a picture">' in text
    headings = re.findall(r"<th[^>]*>(\w+)</th>", text)
    assert headings == ["what", "verdict", "n"] * 2  # the answer early, where a phone shows it


def test_markdown_says_the_same_with_the_figures_beside_it() -> None:
    assert markdown(DOCUMENT, "figures").split("\n\n") == [
        "# Up or down? Study `s`",
        "- **It is up (n = 1)**\n- **It is not**",
        "> **Warning:** Take care.",
        "## Part",
        "Of `this` and &lt;that>.",
        "Some:",
        "- one\n- two",
        "| what | n | verdict |\n| --- | ---: | --- |\n| a | 1 | **up** |",
        "More:",
        "| what | n | verdict |\n| --- | ---: | --- |\n| a | 1 | **up** |",
        "### digits",
        "![a picture](figures/m-d.svg)\n",
    ]


def test_each_figure_has_its_caption_and_its_note_in_html_and_markdown() -> None:
    panels = (replace(PANEL, note="1 run is left out."), replace(PANEL, file="m-s", dataset="synthetic"))
    document = replace(DOCUMENT, blocks=(Figures(panels, captions=("digits", "synthetic")),))
    assert markdown(document, "figures").split("\n\n")[1:] == [
        "**digits**",
        "![a picture](figures/m-d.svg)",
        "1 run is left out.",
        "**synthetic**",
        "![a picture](figures/m-s.svg)\n",
    ]
    text = html(document)
    assert text.index("<figcaption>digits") < text.index("1 run is left out.") < text.index("<figcaption>synthetic")


def test_a_terminal_shows_columns_and_no_figures() -> None:
    lines = terminal(DOCUMENT).splitlines()
    assert lines[-4:] == ["", "what  n  verdict", "----  -  -------", "a     1  up"]
    assert lines[:2] == ["It is up (n = 1)", "It is not"]


@pytest.mark.parametrize("effect", [0.0, 0.05])
def test_html_and_markdown_have_the_same_headings_in_the_same_order(effect: float) -> None:
    document = report(
        found("s", simulated_runs(np.random.default_rng(0), seeds=13, effect=effect)), unavailable=["No."]
    )
    of_html = [text for _, text in re.findall(r"<h([23])[^>]*>(.*?)</h\1>", html(document))]
    of_markdown = re.findall(r"^##+ (.*)$", markdown(document), re.MULTILINE)
    assert [text.replace("&#39;", "'") for text in of_html] == of_markdown
    assert len(of_markdown) > 12
