"""The questions that people bring to a study, each with a saved view that answers it on opening."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.comparison.result import Result
from analysis.metrics import METRICS, SCORE, SELECTION, Estimand
from analysis.parameters import ARM, CONDITION
from analysis.report.build import Study
from analysis.report.figures.curves import DYNAMICS, VARIANCES, is_logarithmic
from analysis.report.formatting import bounds_text, difference_text
from study.recording.browsing.cells import ENDS, ESTIMANDS, LOG_MARGIN, MEAN, RANK, SETTING, TRIED_COUNTS
from study.recording.browsing.naming import by_epoch_name, score_name
from study.recording.browsing.views import (
    Axis,
    Chart,
    Section,
    View,
    bars,
    lines,
    metric,
    parallel,
    param,
    scatter,
    tag,
)
from study.recording.database.runs import TrackedRun

_BESIDE = ("recall_at_1", "linear_accuracy")
_WIDE_RANGE = 20  # the largest margin by the smallest, from which on an axis of the margins themselves shows little
_SCORES = tuple(metric(f"{SCORE.name}/{end}") for end in ENDS)
# A view's key stands in its address behind `viewStateShareKey=`; what is no small number would be masked as a secret.
_BETTER, _LOSSES, _SETTING, _FAILED, _WATCHING = "12345"


def questions(study: Study, cells: Sequence[TrackedRun]) -> list[View]:
    """The views that a study has something for.

    Args:
        study: What is known of it.
        cells: Its cells, as `study_cells` gives them.
    """
    by_kind: dict[str, list[TrackedRun]] = {}
    for cell in cells:
        by_kind.setdefault(cell.tags["cell"], []).append(cell)
    compared = [estimand for estimand in ESTIMANDS if estimand in by_kind]
    views = [_better(study, estimand, by_kind[estimand]) for estimand in compared[:1]]
    views += [_losses(study, kind, by_kind[kind]) for kind in compared if _has_curves(by_kind[kind])]
    views += [_setting(by_kind[SETTING])] if SETTING in by_kind else []
    return [*views, _failed()]


def watching() -> View:
    """Runs while they train, with their curves."""
    curves = Section(
        "Runs in training, by epoch",
        (lines([SELECTION]), *(lines([name], logarithmic=is_logarithmic(name)) for name in DYNAMICS)),
        columns=2,
    )
    columns = (*map(param, ("dataset", ARM, "miner", "margin", "lr", "seed")), metric(SELECTION), metric(DYNAMICS[0]))
    only = "attributes.status = 'RUNNING' and tags.level = 'run'"
    return View(_WATCHING, "While it trains", only, columns, metric(SELECTION), sections=(curves,))


def _better(study: Study, estimand: Estimand, cells: Sequence[TrackedRun]) -> View:
    results = [r for r in study.findings.results if (r.estimand, r.metric) == (estimand, SCORE.name)]
    labels = {(c.dataset, c.arms): c.label for c in study.findings.comparisons}
    sections = [
        Section(_answer(label, result), tuple(bars(f"{score_name(label)}/{end}") for end in ENDS))
        for result in results
        for label in [labels.get((str(result.dataset), result.arms))]
        if label in _datasets(cells)
    ]
    beside = tuple(f"{name}/{MEAN}" for name in _BESIDE)
    sections.append(Section("Recall@1 and accuracy on test data", tuple(map(bars, beside)), columns=2))
    columns = (tag("verdict"), *_SCORES, metric("seeds"), *map(metric, beside), tag("chosen"))
    only = f"tags.cell = '{estimand}'"
    return View(_BETTER, "Which loss is better", only, columns, _SCORES[0], sections=tuple(sections))


def _answer(label: str | None, result: Result) -> str:
    """A verdict on MAP@R as a title, of which MLflow shows some forty characters."""
    verdict, turned = result.judged, result.judged.side == result.second
    low, high = (-result.ci_high, -result.ci_low) if turned else (result.ci_low, result.ci_high)
    difference = difference_text(-result.difference if turned else result.difference, result.scale)
    against = "" if verdict.side else f" ({result.first} minus {result.second})"
    return f"{label}: {verdict} {difference} {bounds_text(low, high, result.scale)}{against}"


def _has_curves(cells: Sequence[TrackedRun]) -> bool:
    return any(step for cell in cells for _, step, _ in cell.points)


def _losses(study: Study, kind: str, cells: Sequence[TrackedRun]) -> View:
    """Curves of all arms, a section for each dataset."""
    curves = study.curves
    sections = [
        Section(
            f"{dataset}, by epoch: mean and 95% interval",
            tuple(_curve(dataset, name) for name in (*DYNAMICS, *VARIANCES) if name in recorded),
        )
        for dataset in _datasets(cells)
        for recorded in [set(curves.loc[curves["dataset"] == dataset, "metric"])]
    ]
    mechanisms = tuple(metric(f"{each.name}/{MEAN}") for each in METRICS if each.family == "mechanism" and each.judged)
    return View(
        _LOSSES, "What the losses do", f"tags.cell = '{kind}'", mechanisms, _SCORES[0], sections=tuple(sections)
    )


def _curve(dataset: str, name: str) -> Chart:
    own = by_epoch_name(dataset, name)
    return lines([f"{own}/{end}" for end in ENDS], logarithmic=is_logarithmic(name))


def _setting(cells: Sequence[TrackedRun]) -> View:
    varied = [name for name in CONDITION if len({cell.params[name] for cell in cells}) > 1]
    margins = [float(cell.params["margin"]) for cell in cells if float(cell.params["margin"]) > 0]
    wide = bool(margins) and max(margins) > _WIDE_RANGE * min(margins)
    margin: Axis = ("METRIC", LOG_MARGIN) if wide else ("PARAM", "margin")
    others: list[Axis] = [("PARAM", name) for name in varied if name != "margin"]
    sections = [
        Section(
            f"{dataset}: mean MAP@R of each setting",
            (
                parallel([("PARAM", ARM), margin, *others, ("METRIC", f"{score_name(dataset)}/{MEAN}")]),
                scatter(margin, ("METRIC", f"{score_name(dataset)}/{MEAN}")),
            ),
            columns=2,
        )
        for dataset in _datasets(cells)
    ]
    known = map(param, dict.fromkeys(["dataset", ARM, "margin", "lr", *varied]))
    columns = (*known, *_SCORES, metric("seeds"))
    only = f"tags.cell = '{SETTING}'"
    return View(_SETTING, "Which setting", only, columns, metric(RANK), ascending=True, sections=tuple(sections))


def _failed() -> View:
    """Runs that diverged, below what became of all runs of each arm, whose tag says how many diverged."""
    counts = tuple(metric(name) for name in TRIED_COUNTS if name != "diverged")
    columns = (tag("diverged"), *counts, *map(param, ("dataset", ARM, "margin", "lr", "seed")))
    return View(_FAILED, "What failed", "tags.diverged != 'false'", columns, metric(TRIED_COUNTS[0]))


def _datasets(cells: Sequence[TrackedRun]) -> list[str]:
    """The datasets of some cells, in their order."""
    return list(dict.fromkeys(cell.params["dataset"] for cell in cells))
