"""A document as one HTML file that needs nothing else: readable on a phone, printable."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from analysis.plain_text import lines_text
from analysis.report.document.blocks import Document
from analysis.report.document.text_table import Link
from analysis.report.renderers.inline_svg import inline_svg

OUTCOMES = ("supported", "contradicted", "depends on the margin", "equivalent", "undecided", "mixed", "insufficient")


def html(document: Document) -> str:
    """The whole page."""
    return _rendered(document, "report.html.j2", "style.css")


def fragment(document: Document) -> str:
    """The blocks alone, for a page of others such as a notebook: with a style that touches nothing else there."""
    return _rendered(document, "fragment.html.j2", "fragment.css")


def _rendered(document: Document, template: str, css: str) -> str:
    environment = _environment()
    style, *scripts = (Markup(environment.get_template(name).render()) for name in (css, "page.js", "marks.js"))
    script = Markup("").join(scripts)
    classes = {outcome: outcome for outcome in OUTCOMES}
    classes |= {arm: f"arm{number}" for number, arm in enumerate(document.arms, start=1)}
    page = environment.get_template(template).render(
        document=document, style=style, script=script, hash=_hash(script), classes=classes
    )
    return lines_text(page)


def _hash(script: str) -> str:
    """By which the page lets a browser run its own script, and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("analysis.report.renderers"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"anchor": _anchor, "code": _code, "data": _data, "inline_svg": inline_svg, "kind": _kind}
    environment.filters |= {"points": _points, "runs": _runs}
    return environment


def _kind(block: object) -> str:
    return type(block).__name__


def _anchor(heading: str) -> str:
    """What a link to a heading names."""
    return re.sub(r"[\W_]+", "-", heading.casefold()).strip("-")


def _points(share: float) -> str:
    return f"{100 * share:.4g}"


def _runs(runs: Sequence[Link]) -> str:
    """Keys and addresses of runs, as a script reads them."""
    return json.dumps([[run.text, run.address] for run in runs])


def _data(facets: Mapping[str, str]) -> dict[str, str]:
    """Facets as attributes of a row."""
    return {f"data-{name}": value for name, value in facets.items()}


def _code(text: str) -> Markup:
    """Words between backquotes as code."""
    parts = [
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)
