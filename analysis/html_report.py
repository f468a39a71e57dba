"""The report as one HTML file that needs nothing else: readable on a phone, printable."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from analysis.captions import (
    SENSITIVITY,
    SLICES,
    claims_caption,
    figures_caption,
    overall_caption,
    sensitivity_caption,
    slices_caption,
    verdicts_caption,
)
from analysis.figures import Panel
from analysis.findings import Findings
from analysis.markdown_report import RUN_HEADINGS, sections
from analysis.tables import (
    TextTable,
    claim_rows,
    evidence_rows,
    overall_rows,
    sensitivity_rows,
    slice_tables,
    verdict_rows,
)
from analysis.wording import (
    UNITS,
    Answer,
    answers,
    decay_lines,
    headline,
    methods,
    run_lines,
    setting_lines,
    tuning_lines,
)

_STYLE = """
:root { --ink:#1d1f21; --soft:#5c6166; --line:#dde1e5; --triplet:#0072B2; --contrastive:#D55E00; --back:#fff; }
* { box-sizing:border-box; }
body { margin:0; color:var(--ink); background:var(--back); font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
  "Helvetica Neue",Arial,sans-serif; }
main { max-width:1120px; margin:0 auto; padding:1.5rem 1.1rem 4rem; }
h1 { font-size:1.7rem; line-height:1.2; margin:.2rem 0 .6rem; }
h2 { font-size:1.22rem; margin:2.4rem 0 .6rem; padding-top:.6rem; border-top:1px solid var(--line); }
h3 { font-size:1rem; margin:1.2rem 0 .4rem; color:var(--soft); font-weight:600; }
p, li { max-width:76ch; overflow-wrap:anywhere; }
.lead { font-size:1.08rem; padding-left:0; list-style:none; }
.lead li { margin:.35rem 0; max-width:none; }
.claims { display:grid; grid-template-columns:repeat(auto-fill,minmax(min(255px,100%),1fr)); gap:.7rem; padding:0;
  list-style:none; }
.claims > li { border:1px solid var(--line); border-radius:8px; padding:.7rem .85rem; max-width:none; }
.claims strong { display:block; margin:.3rem 0 .1rem; }
.claims dl { margin:.45rem 0 0; font-size:.86rem; font-variant-numeric:tabular-nums; }
.claims dt { margin-top:.4rem; font-weight:600; display:flex; justify-content:space-between; gap:.5rem; }
.claims dd { margin:.05rem 0 0; } .claims dd + dd { color:var(--soft); }
.lead small { color:var(--soft); font-size:.9rem; }
.claims small, .caption, .soft { color:var(--soft); font-size:.86rem; }
dt .badge { font-size:.72rem; } .caption { max-width:105ch; }
.badge { display:inline-block; padding:.05rem .5rem; border-radius:999px; font-size:.8rem; font-weight:600;
  border:1px solid currentColor; white-space:nowrap; }
.supported { color:#00664b; } .contradicted { color:#a3243b; } .equivalent { color:#57606a; }
.undecided, .mixed { color:#7a5a00; } .insufficient { color:#7b7f84; }
.triplet { color:var(--triplet); } .contrastive { color:var(--contrastive); }
.scroll { overflow-x:auto; -webkit-overflow-scrolling:touch; margin:.6rem 0; }
table { border-collapse:collapse; font-size:.86rem; font-variant-numeric:tabular-nums; }
th, td { padding:.28rem .7rem .28rem 0; text-align:right; border-bottom:1px solid var(--line); white-space:nowrap; }
th { color:var(--soft); font-weight:600; } td.word, th.word { text-align:left; }
.reported td:last-child { white-space:normal; min-width:7.5rem; } tr.first td { border-top:2px solid var(--line); }
.figures { display:flex; flex-wrap:wrap; gap:.4rem 1.1rem; align-items:flex-start; }
figure { margin:.3rem 0; flex:0 1 auto; min-width:0; max-width:100%; }
figure .scroll { margin:0; } figure img { height:auto; display:block; max-width:none; }
figure small { display:block; color:var(--soft); max-width:44ch; }
figcaption { color:var(--soft); font-weight:600; }
details { margin:.5rem 0; } summary { cursor:pointer; color:var(--soft); }
.warning { border-left:4px solid #c58f00; padding:.3rem .8rem; background:#fff8e5; }
@media print { html { font-size:12.5px; } body { font-size:1rem; } main { max-width:none; padding:0; }
  h2, h3 { break-after:avoid; }
  figure, tr, .claims > li, .group { break-inside:avoid; }
  .caption { break-after:avoid; } .claims { grid-template-columns:repeat(3,1fr); }
  table { font-size:.74rem; } th, td { padding-right:.4rem; } td .badge { font-size:inherit; padding:0 .3rem; }
  .scroll { overflow:visible; } .figures { gap:.3rem 1%; } figure { width:32.5%; } figure img { width:100%; }
  details > * { display:block; } details::details-content { content-visibility:visible; display:block; } }
"""
_VERDICTS = ("supported", "contradicted", "equivalent", "undecided", "mixed", "insufficient", "triplet", "contrastive")


def html(findings: Findings, panels: Sequence[Panel], unavailable: Sequence[str] = ()) -> str:
    """The whole report.

    Args:
        findings: What it says.
        panels: What it shows, those of one section together.
        unavailable: Why some panels are not there.
    """
    body = [
        f"<h1>Contrastive or triplet? Study <code>{escape(findings.study)}</code></h1>",
        f'<ul class="lead">{"".join(map(_lead, headline(findings)))}</ul>',
        *(f'<p class="warning">{escape(warning)}</p>' for warning in findings.warnings),
        f"<h2>What {escape(findings.claimant)} claims, and what this study says</h2>",
        _caption(claims_caption(findings)),
        f'<ul class="claims">{"".join(_claim(answer, findings.claimant) for answer in answers(findings))}</ul>',
        "<h3>Every claim on every dataset, beside the figure reported</h3>",
        f'<div class="reported">{_table(claim_rows(findings.claims, findings.table))}</div>',
    ]
    for title, rows in sections(findings.table):
        table = _table(_verdict_third(verdict_rows(rows)))
        body += [f"<h2>{escape(title)}</h2>", _caption(verdicts_caption(rows)), table]
        if (rows["family"] == "primary").all() and (rows["estimand"] == "tuned").all():
            body.append(_list(f"Chosen on {line}" for line in tuning_lines(findings)))
        if (rows["metric"] == "loss_decay_epochs").any():
            body.append(_list(decay_lines(findings)))
        body.append(_details("Effect sizes and the p-values that decide", _table(evidence_rows(rows))))
    body.append(f'<p class="soft">{escape(UNITS)}</p>')
    for section, group in groupby(panels, key=lambda panel: panel.section):
        drawn = list(group)
        body += [f"<h2>{escape(section)}</h2>", _caption(figures_caption(section, drawn, findings))]
        by_dataset = [(dataset, list(mine)) for dataset, mine in groupby(drawn, key=lambda panel: panel.dataset)]
        if all(len(mine) == 1 for _, mine in by_dataset):
            figures = "".join(_figure(mine[0], dataset) for dataset, mine in by_dataset)
            body.append(f'<div class="figures group">{figures}</div>')
            continue
        for dataset, mine in by_dataset:
            figures = f'<div class="figures">{"".join(map(_figure, mine))}</div>'
            body.append(f'<div class="group"><h3>{escape(dataset)}</h3>{figures}</div>')
    body += [f'<p class="soft">{escape(line)}</p>' for line in unavailable]
    if len(findings.overall):
        table = _table(overall_rows(findings.overall, findings.table))
        body += ["<h2>Over all datasets</h2>", _caption(overall_caption(findings)), table]
    if len(findings.sensitivity):
        table = _table(sensitivity_rows(findings.sensitivity))
        body += [f"<h2>{SENSITIVITY}</h2>", _caption(sensitivity_caption(findings)), table]
    if len(findings.slices):
        body += [f"<h2>{SLICES}</h2>", _caption(slices_caption(findings))]
        for title, verdicts in slice_tables(findings.slices):
            body += [f"<h3>{escape(title)}</h3>", _table(verdicts)]
    runs = TextTable(RUN_HEADINGS, frozenset({0, 1}), run_lines(findings))
    body += ["<h2>Runs</h2>", _table(runs), _list(setting_lines(findings)), "<h2>Methods</h2>"]
    body += [f"<p>{_code(paragraph)}</p>" for paragraph in methods(findings)]
    origin = (f"{name}: {', '.join(values)}" for name, values in findings.provenance.items())
    body += ["<h2>Where it came from</h2>", _list(origin)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Contrastive or triplet? {escape(findings.study)}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _lead(line: str) -> str:
    answer, bracket, evidence = line.partition(" (MAP@R")
    return f"<li><b>{escape(answer)}</b><small>{escape(bracket + evidence)}</small></li>"


def _claim(answer: Answer, claimant: str) -> str:
    lines = []
    for point in answer.datasets:
        reported = f"<dd>{escape(claimant)}: {escape(point.reported)}</dd>" if point.reported else ""
        lines.append(
            f"<dt>{escape(point.dataset)} {_badge(point.verdict)}</dt><dd>{escape(point.ours)}</dd>"
            f"<dd>{escape(point.evidence)}</dd>{reported}"
        )
    shown = f"<dl>{''.join(lines)}</dl>" if lines else "<p>not measured</p>"
    elsewhere = f"<small>{escape(claimant)} reports {escape(answer.elsewhere)}</small>" if answer.elsewhere else ""
    return (
        f"<li>{_badge(answer.verdict)} <small>{escape(answer.estimand)}</small>"
        f"<strong>{escape(answer.statement)}</strong>{shown}{elsewhere}</li>"
    )


def _caption(text: str) -> str:
    return f'<p class="caption">{escape(text)}</p>'


def _badge(text: str) -> str:
    kind = text.split(",")[0].split(" (")[0]
    return f'<span class="badge {kind}">{escape(text)}</span>' if kind in _VERDICTS else escape(text)


def _table(table: TextTable) -> str:
    def row(cells: Sequence[str], tag: str, mark: str = "") -> str:
        parts = []
        for position, text in enumerate(cells):
            word = ' class="word"' if position in table.words else ""
            shown = _badge(text) if tag == "td" and position in table.words and position > 1 else escape(text)
            parts.append(f"<{tag}{word}>{shown}</{tag}>")
        return f"<tr{mark}>{''.join(parts)}</tr>"

    lines = []
    for previous, cells in zip([None, *table.rows], table.rows, strict=False):
        lines.append(row(cells, "td", ' class="first"' if previous and previous[0] != cells[0] else ""))
    head = row(table.headings, "th")
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table></div>'


def _verdict_third(table: TextTable) -> TextTable:
    """The verdict beside the metric, where a phone shows it without scrolling."""

    def moved(row: tuple[str, ...]) -> tuple[str, ...]:
        return (*row[:2], row[-1], *row[2:-1])

    return TextTable(moved(table.headings), frozenset({0, 1, 2}), [moved(row) for row in table.rows])


def _figure(panel: Panel, heading: str = "") -> str:
    """A figure in the size that it was drawn in: a narrow screen scrolls it, as small letters could not be read."""
    width = float(panel.svg.partition('width="')[2].partition("pt")[0]) * 4 / 3
    source = base64.b64encode(panel.svg.encode()).decode()
    image = f'<img width="{width:.0f}" alt="{escape(panel.alt)}" src="data:image/svg+xml;base64,{source}">'
    caption = f"<figcaption>{escape(heading)}</figcaption>" if heading else ""
    note = f"<small>{escape(panel.note)}</small>" if panel.note else ""
    return f'<figure>{caption}<div class="scroll">{image}</div>{note}</figure>'


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _details(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _code(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if position % 2 else part for position, part in enumerate(parts))
