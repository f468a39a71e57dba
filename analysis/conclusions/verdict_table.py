"""Verdicts for each dataset and metric, by three estimands that are never merged.

``tuned``: each arm with the hyperparameters that each seed chose for it (`tuning`).
``grid average``: the mean over a balanced grid of conditions within each seed.
``default setting``: each arm with the setting that is used where nothing is tuned.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analysis.comparison.comparisons import Comparison, comparisons
from analysis.comparison.judgement import judge
from analysis.comparison.paired_tests import tested
from analysis.comparison.pairing import DEFAULT_SETTING, PairedSample
from analysis.comparison.result import Result, Verdict, result_table
from analysis.comparison.tuning import REPEATS, Tuned, all_diverged
from analysis.metrics import (
    AT_DEFAULT,
    BY_NAME,
    GRID_AVERAGE,
    METRICS,
    PERFORMANCE,
    TUNED,
    Estimand,
    Metric,
    metrics_with,
)
from analysis.parameters import ARM

_PERFORMANCE = tuple(metric for metric in METRICS if metric.family in PERFORMANCE and metric.judged)


def verdicts(runs: pd.DataFrame, also: Collection[str] = (), rope: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Compares the arms on every dataset and metric.

    Args:
        runs: A study, as `load_study` gives it.
        also: Names of metrics that are to have verdicts too, of those that are shown without one (`Metric.judged`).
            They make every verdict of their family harder to reach.
        rope: Regions of practical equivalence of one's own, by metric, as `analysis.metrics.metrics_with` takes them:
            ``{"map_at_r": 0.02, "intra_variance": 1.2}`` is 2 points and a factor of 1.2.

    Returns:
        One row a dataset, pair of arms, estimand and metric. ``first`` and ``second`` name the arms; ``first_mean`` and
        ``second_mean`` are means over seeds (geometric for metrics compared by logarithm), ``difference`` with
        ``ci_low`` and ``ci_high`` their mean difference and its 95% paired t interval (ratios for those metrics),
        ``p_value`` the sign-flip test against zero and ``p_corrected`` its Holm correction within the estimand's
        family. ``verdict`` is text; ``side`` is the arm that it names, ``strength`` how clearly.
        `analysis.comparison.result.Result` describes every column. A dataset whose runs cannot be read has
        ``insufficient`` in its rows, and the reason. A metric without verdicts has ``shown``, and no corrected
        p-value.

    Raises:
        ValueError: If `also` or `rope` names what is no metric, or a region is not possible.

    Examples:
        >>> from analysis import load_study
        >>> table = verdicts(load_study("demo"))
        >>> table[table.metric == "map_at_r"][["dataset", "estimand", "n"]].to_records(index=False).tolist()
        [('digits', 'tuned', 13), ('digits', 'grid average', 13), ('digits', 'default setting', 13)]
    """
    unknown = [name for name in also if name not in BY_NAME]
    if unknown:
        raise ValueError(f"unknown metric {unknown[0]!r}: choose from {', '.join(BY_NAME)}")
    return result_table(verdict_results(comparisons(runs, metrics_with(rope)), also))


def verdict_results(compared: Sequence[Comparison], also: Collection[str] = ()) -> list[Result]:
    """The rows of `verdicts`, from the comparisons of a study."""
    at_places = [
        {
            TUNED: tuned_results(comparison, comparison.metrics),
            GRID_AVERAGE: grid_results(comparison, comparison.metrics),
            AT_DEFAULT: default_results(comparison, comparison.metrics),
        }
        for comparison in compared
    ]
    results = [
        result
        for comparison, at in zip(compared, at_places, strict=True)
        for place, own in at.items()
        if any(others[place] for others in at_places)
        for result in own
        or _refused(comparison, comparison.metrics, place, comparison.runs, _absent(comparison, place))
    ]
    judged = {metric.name for metric in METRICS if metric.judged} | {*also}
    with_verdict = iter(judge([result for result in results if result.metric in judged], estimand_and_family))
    return [next(with_verdict) if result.metric in judged else replace(result, verdict=SHOWN) for result in results]


def _absent(comparison: Comparison, place: Estimand) -> str:
    if place == GRID_AVERAGE and comparison.of_grid().empty:
        return "each seed drew its own settings: there is no grid"
    return f"no {PLACES[place]}"


PLACES: dict[Estimand, str] = {
    AT_DEFAULT: f"runs of both losses at the default setting ({DEFAULT_SETTING})",
    TUNED: "tuned runs of both losses",
    GRID_AVERAGE: "setting that both losses could be averaged over",
}
SHOWN = Verdict("shown", "a metric without verdicts, shown for what it tells")


def estimand_and_family(result: Result) -> Hashable:
    """What verdicts are corrected within."""
    return result.estimand, result.family


SHARE_ROPES = (0.005, 0.01, 0.02)


@dataclass(frozen=True)
class RopeSensitivity:
    """A tuned comparison under several regions of practical equivalence.

    Attributes:
        label: Of the comparison.
        metric: What is compared.
        verdicts: The verdict for each half-width of the region.
    """

    label: str
    metric: str
    verdicts: Mapping[float, Verdict]


def rope_sensitivity(compared: Sequence[Comparison]) -> list[RopeSensitivity]:
    """Tuned verdicts on MAP@R, Recall@1 and accuracies, for each half-width of `SHARE_ROPES`."""
    verdicts: dict[tuple[str, str], dict[float, Verdict]] = {}
    labels = [comparison.label for comparison in compared for _ in _PERFORMANCE]
    for rope in SHARE_ROPES:
        results = [result for comparison in compared for result in tuned_results(comparison, _PERFORMANCE, rope)]
        for label, result in zip(labels, judge(results, estimand_and_family), strict=True):
            verdicts.setdefault((label, result.metric), {})[rope] = result.judged
    return [RopeSensitivity(label, metric, by_rope) for (label, metric), by_rope in verdicts.items()]


def grid_results(comparison: Comparison, metrics: Collection[Metric]) -> list[Result]:
    """Grid averages of one comparison, not yet judged; none where the arms share no condition."""
    return _results_of(comparison.grid(), comparison, metrics, GRID_AVERAGE)


def default_results(comparison: Comparison, metrics: Collection[Metric]) -> list[Result]:
    """Both arms with `DEFAULT_SETTING`, not yet judged; none where one of them was not run with it."""
    at_default = comparison.at_default()
    return _results_of(at_default, comparison, metrics, AT_DEFAULT) if comparison.has_both(at_default) else []


def _results_of(
    rows: pd.DataFrame, comparison: Comparison, metrics: Collection[Metric], estimand: Estimand
) -> list[Result]:
    """Results on the mean of some runs of each seed and arm; none where there are no runs."""
    if rows.empty:
        return []
    if not comparison.readable:
        return _refused(comparison, metrics, estimand, rows, REPEATS)
    table = comparison.seed_table(rows, estimand)
    diverged = all_diverged(rows, comparison.arms)
    return [
        replace(_result(comparison, metric, estimand, table.sample(metric)), refused=diverged or _unknown(metric, rows))
        for metric in metrics
    ]


def _unknown(metric: Metric, rows: pd.DataFrame) -> str | None:
    """That the runs do not record a metric, as older ones may not; None if they do."""
    return None if metric.column in rows else f"the runs do not record {metric.column}"


def tuned_results(comparison: Comparison, metrics: Collection[Metric], rope: float | None = None) -> list[Result]:
    """Tuned against tuned in one comparison, not yet judged.

    Args:
        comparison: What is compared.
        metrics: On which metrics.
        rope: Half-width of the region of practical equivalence instead of each metric's own.
    """
    tuned, arms = comparison.tuned, comparison.arms
    if tuned.refused:
        results = _refused(comparison, metrics, TUNED, comparison.runs, tuned.refused, rope)
    else:
        table = comparison.seed_table(tuned.runs, TUNED)
        results = [
            replace(
                _result(comparison, metric, TUNED, table.sample(metric), rope), refused=_unknown(metric, tuned.runs)
            )
            for metric in metrics
        ]
    if tuned.budget is not None:
        results = [replace(result, budget=tuned.budget) for result in results]
    if tuned.runs.empty:
        return results
    rises = [comparison.rises(arm) for arm in arms]
    results = [replace(result, rises_first=rises[0], rises_second=rises[1]) for result in results]
    first, second = (_most_chosen(tuned, arm, len(comparison.seeds)) for arm in arms)
    return [replace(result, chosen_first=first, chosen_second=second) for result in results]


def _most_chosen(tuned: Tuned, arm: str, seeds: int) -> str:
    """The condition that most seeds chose, and how many of them did; the range where each seed drew its own."""
    if tuned.drawn:
        return f"{tuned.chosen_range(arm)} (each seed its own)"
    condition, count = tuned.counts(arm)[0]
    return f"{condition} ({count} of {seeds} seeds)"


def _refused(
    comparison: Comparison,
    metrics: Collection[Metric],
    estimand: Estimand,
    rows: pd.DataFrame,
    reason: str,
    rope: float | None = None,
) -> list[Result]:
    """Results without any pair. Their crash rates are those of all runs that were to be compared."""
    shares = rows["diverged"].astype(bool).groupby(rows[ARM]).mean()
    first, second = (float(shares.get(arm, 0.0)) for arm in comparison.arms)
    nothing = PairedSample.empty((first, second))
    return [replace(_result(comparison, metric, estimand, nothing, rope), refused=reason) for metric in metrics]


def _result(
    comparison: Comparison, metric: Metric, estimand: Estimand, sample: PairedSample, rope: float | None = None
) -> Result:
    untested = Result(
        dataset=comparison.dataset,
        metric=metric.name,
        estimand=estimand,
        first=comparison.arms.first,
        second=comparison.arms.second,
        family=metric.family,
        scale=metric.scale,
        rope=metric.rope if rope is None else rope,
        missing_share=sample.missing_share,
        diverged_first=sample.diverged[0],
        diverged_second=sample.diverged[1],
        censored_first=sample.censored[0],
        censored_second=sample.censored[1],
    )
    return tested(untested, sample.first, sample.second)
