"""Aggregates as runs of MLflow: cells, which carry the means of metrics over seeds, with their 95% intervals.

MLflow groups only the hundred runs that it has loaded, and shows neither spread nor interval. A cell's tag `cell` says
what it is an aggregate of: an estimand (each loss tuned, say), a setting, or all that was tried of a loss.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import pandas as pd

from analysis.comparison.comparisons import Comparison
from analysis.comparison.result import Result
from analysis.comparison.settings import longest_runs
from analysis.conclusions.fates import ENDINGS
from analysis.conclusions.seed_means import arm_means, setting_means
from analysis.metrics import AT_DEFAULT, GRID_AVERAGE, SCORE, SELECTION, TUNED, Estimand, Metric
from analysis.parameters import ARM, CONDITION, Value, value_text
from analysis.report.arms import arm_styles
from analysis.report.build import Study
from study.recording.browsing.naming import by_epoch_name, digest, score_name
from study.recording.database.runs import Point, TrackedRun
from study.recording.mlflow_sink import CELL, CONTENT_TAG

SETTING, TRIED = "setting", "tried"
ESTIMANDS: tuple[Estimand, ...] = (TUNED, GRID_AVERAGE, AT_DEFAULT)
MEAN = "mean"
ENDS = (MEAN, "ci_low", "ci_high")
RANK = "rank"
LOG_MARGIN = "log10 margin"
TRIED_COUNTS = ("runs", "diverged", "stopped", "collapsed", "satisfied")
_VALIDATION = Metric("val_map_at_r", "MAP@R on validation data", SELECTION, "primary", "share", judged=False)
_COLOUR_TAG = "mlflow.runColor"  # MLflow's own name, which its interface reads
_MEANS = ["metric", "n", "mean", "low", "high"]


def study_cells(study: Study, now: int) -> list[TrackedRun]:
    """All cells of a study.

    Args:
        study: What is known of it.
        now: The time, in milliseconds since 1970.
    """
    colours = {arm: {_COLOUR_TAG: style.colour} for arm, style in arm_styles(study.findings.arms).items()}
    cells = [*_arm_cells(study), *_setting_cells(study), *_tried_cells(study)]
    return [
        _finished(kind, name, params, {**tags, **colours[str(params[ARM])]}, points, now)
        for kind, name, params, tags, points in cells
    ]


_Cell = tuple[str, str, Mapping[str, object], Mapping[str, str], list[Point]]


def _arm_cells(study: Study) -> Iterator[_Cell]:
    """Each arm of each comparison as its verdicts take it; with its curves where these are of the same runs."""
    scores = {(r.dataset, r.arms, r.estimand): r for r in study.findings.results if r.metric == SCORE.name}
    for comparison in study.findings.comparisons:
        of_curves = TUNED if comparison.grid().empty else GRID_AVERAGE
        for estimand in ESTIMANDS:
            means = arm_means(comparison, estimand)
            score = scores.get((comparison.dataset, comparison.arms, estimand))
            for arm in comparison.arms:
                own = means[means[ARM] == arm]
                if own.empty:
                    continue
                points = _end_points(comparison.label, own[_MEANS].itertuples(index=False, name=None))
                if estimand == of_curves:
                    points += _curve_points(study.curves, comparison, arm)
                tags = {"verdict": str(score.judged), **_chosen(score, arm)} if score else {}
                yield estimand, f"{arm} {comparison.label}", {"dataset": comparison.label, ARM: arm}, tags, points


def _end_points(dataset: str, means: Iterable[tuple[str, float, float, float, float]]) -> list[Point]:
    """Metrics at the end of the training: name, seeds, mean, low, high; the score also by the name of its dataset."""
    points, seeds = [], 0.0
    for name, count, *interval in means:
        seeds = max(seeds, count)
        points += _interval(name, 0, interval)
        points += _interval(score_name(dataset), 0, interval) if name == SCORE.name else []
    return [("seeds", 0, float(seeds)), *points]


def _interval(name: str, step: int, values: Sequence[float]) -> list[Point]:
    """A mean and the ends of its interval as points; of a single seed there is no interval."""
    return [(f"{name}/{end}", step, value) for end, value in zip(ENDS, values, strict=True) if math.isfinite(value)]


def _chosen(result: Result, arm: str) -> dict[str, str]:
    chosen = result.chosen_first if arm == result.first else result.chosen_second
    return {"chosen": chosen} if chosen else {}


def _curve_points(curves: pd.DataFrame, comparison: Comparison, arm: str) -> list[Point]:
    own = curves[(curves["dataset"] == comparison.label) & (curves[ARM] == arm)]
    rows = own[["metric", "epoch", "mean", "low", "high"]].itertuples(index=False, name=None)
    return [
        point
        for metric, epoch, *interval in rows
        for point in _interval(by_epoch_name(comparison.label, metric), int(epoch), interval)
    ]


def _setting_cells(study: Study) -> Iterator[_Cell]:
    """Each setting of each arm; where seeds drew theirs, the fifths of the ranges."""
    metrics = [*(metric for metric in study.findings.metrics if metric.judged), _VALIDATION]
    for dataset, rows in study.findings.datasets.items():
        means = setting_means(rows, metrics)
        varied = [name for name in CONDITION if means[name].nunique() > 1]
        of_setting: dict[tuple[Value, ...], list[tuple[str, float, float, float, float]]] = {}
        for row in means[[ARM, *CONDITION, *_MEANS]].itertuples(index=False, name=None):
            of_setting.setdefault(row[: -len(_MEANS)], []).append(row[-len(_MEANS) :])
        ranks = _ranks(means)
        for setting, own in of_setting.items():
            params = dict(zip((ARM, *CONDITION), setting, strict=True))
            points = _end_points(dataset, own)
            points += [(RANK, 0, ranks[setting])] if setting in ranks else []
            margin = float(params["margin"])
            points += [(LOG_MARGIN, 0, math.log10(margin))] if margin > 0 else []
            name = " ".join([str(params[ARM]), *(_short(each, params[each]) for each in varied), dataset])
            yield SETTING, name, {"dataset": dataset, **params}, {}, points


def _ranks(means: pd.DataFrame) -> dict[Hashable, float]:
    """The place of each setting of an arm by its score, so that the first ones of a list are the best of each arm."""
    scores = means[means["metric"] == SCORE.name].set_index([ARM, *CONDITION])["mean"]
    return dict(scores.groupby(level=ARM).rank(ascending=False, method="first").items())


def _short(name: str, value: object) -> str:
    """A value of a setting in a name: margins and miners are known without theirs."""
    return value_text(value) if name in ("margin", "miner") else f"{name}={value_text(value)}"


def _tried_cells(study: Study) -> Iterator[_Cell]:
    """What became of the runs of each arm."""
    ended = {(fate.dataset, fate.arm, fate.ending): fate.count for fate in study.findings.fates}
    for dataset, rows in study.findings.datasets.items():
        for arm, own in longest_runs(rows).groupby(ARM):
            known = [ended.get((dataset, str(arm), ending), math.nan) for ending in ENDINGS]
            diverged = int(own["diverged"].sum())
            counts = (len(own), diverged, int((own["stopped_at"] > 0).sum()), *known)
            tags = {"diverged": f"{diverged} of {len(own)} runs"}
            points = [(what, 0, float(count)) for what, count in zip(TRIED_COUNTS, counts, strict=True)]
            known_points = [point for point in points if math.isfinite(point[2])]
            yield TRIED, f"{arm} {dataset}", {"dataset": dataset, ARM: arm}, tags, known_points


def _finished(
    kind: str, name: str, params: Mapping[str, object], tags: Mapping[str, str], points: list[Point], now: int
) -> TrackedRun:
    texts = {param: str(value) for param, value in params.items()}
    key = f"{CELL}{kind}/{name}"
    content = [name, texts, dict(tags), points]
    known = {"level": "cell", "cell": kind, "key": key, CONTENT_TAG: digest(content)}
    return TrackedRun(key, name, now, now, {**tags, **known}, texts, points)
