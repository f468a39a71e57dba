"""A figure as a part of a page, beside others: nothing in it acts on them, and what it says can be searched."""

from __future__ import annotations

import re

from markupsafe import Markup

from analysis.report.figures.marks import with_marks
from analysis.report.figures.panels import Panel

_PIXELS_OF_AN_INCH = 96  # as CSS defines it


def inline_svg(panel: Panel) -> Markup:
    """The drawing in the width in which it was drawn. A narrow screen scrolls it: shrunk letters could not be read."""
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", panel.svg, flags=re.DOTALL)
    opening, _, rest = body.partition(">")
    box = re.search(r'viewBox="[^"]*"', opening)
    width = f"{panel.width * _PIXELS_OF_AN_INCH:.0f}"
    named = Markup('<svg width="{}" {} role="img" aria-label="{}">').format(
        width, Markup(box[0] if box else ""), panel.alt
    )
    return named + Markup(re.sub(r"\s*\n\s*", "\n", with_marks(rest)))
