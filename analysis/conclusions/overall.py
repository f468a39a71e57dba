"""One verdict over several datasets, by partial conjunction (Benjamini and Heller 2008)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from analysis.comparison.arms import ArmPair
from analysis.comparison.judgement import mostly_censored
from analysis.comparison.result import Result, Verdict, results_of, verdict_cells
from analysis.metrics import Estimand, Family
from analysis.statistics.corrections import partial_conjunction
from analysis.statistics.power import ALPHA


@dataclass(frozen=True, kw_only=True)
class OverallResult:
    """The verdict on one metric over all datasets. The fields are the columns of `overall_verdicts`.

    Attributes:
        estimand: As of the datasets' results.
        metric: Likewise.
        family: Likewise.
        first: The first arm. The difference is its value minus the other's.
        second: The other one.
        datasets: How many datasets have a verdict.
        least: How many must show the same: more than half of all.
        p_first: Partial conjunction of the one-sided minimum-effect tests, for the first arm.
        p_second: The same for the second arm.
        p_equivalent: Partial conjunction of the equivalence tests.
        p_first_small: Partial conjunction of the one-sided tests against zero, for the first arm.
        p_second_small: The same for the second arm.
        verdict: What follows.
    """

    estimand: Estimand | None
    metric: str
    family: Family | None
    first: str
    second: str
    datasets: int
    least: int
    p_first: float = math.nan
    p_second: float = math.nan
    p_equivalent: float = math.nan
    p_first_small: float = math.nan
    p_second_small: float = math.nan
    verdict: Verdict

    @property
    def arms(self) -> ArmPair:
        """Both arms."""
        return ArmPair(self.first, self.second)

    @property
    def p_deciding(self) -> float:
        """The p-value behind the verdict; NaN where none rejects."""
        verdict = self.verdict
        if verdict.test is None:
            return math.nan
        if verdict.test == "equivalence":
            return self.p_equivalent
        if verdict.test == "d = 0":
            return self.p_first_small if verdict.side == self.first else self.p_second_small
        return self.p_first if verdict.side == self.first else self.p_second


def overall_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Over all datasets of a verdict table, for each pair of arms, estimand and metric.

    Args:
        table: As `verdicts` gives it.

    Returns:
        The fields of `OverallResult` as columns; ``verdict`` is text, ``side``, ``strength`` and ``reason`` are the
        rest of it.

    Examples:
        >>> from analysis import load_study, verdicts
        >>> table = overall_verdicts(verdicts(load_study("demo")))
        >>> table.loc[table.metric == "map_at_r", ["estimand", "verdict"]].to_records(index=False).tolist()
        [('tuned', 'triplet'), ('grid average', 'triplet'), ('default setting', 'triplet')]
    """
    return overall_table(overall_results(results_of(table)))


def overall_table(results: Sequence[OverallResult]) -> pd.DataFrame:
    """Overall results as `overall_verdicts` gives them."""
    rows = [{**vars(result), **verdict_cells(result.verdict)} for result in results]
    names = [field.name for field in fields(OverallResult)]
    return pd.DataFrame(rows, columns=[*names, "side", "strength", "reason"])


def overall_results(results: Sequence[Result]) -> list[OverallResult]:
    """The rows of `overall_verdicts`, from those of `verdicts`."""
    groups: dict[tuple[Estimand | None, str, ArmPair], list[Result]] = {}
    for result in results:
        if not result.is_shown:
            groups.setdefault((result.estimand, result.metric, result.arms), []).append(result)
    return [overall(group) for group in groups.values()]


def overall(results: Sequence[Result]) -> OverallResult:
    """The overall verdict on one metric: the first rule that holds.

    1. ``insufficient``: no dataset has a verdict.
    2. ``mixed``: the datasets' own verdicts name both arms, however clearly. Each of them is corrected over the
       datasets at least, so that a direction is not shown by chance on one of many.
    3. An arm, clear: one dataset at least names it, none the other, and the one-sided minimum-effect tests show it on
       more than half of the datasets, at half the level for each direction.
    4. ``equivalent``: no dataset names an arm, and the equivalence tests show it on more than half.
    5. An arm, small: as 3, by the one-sided tests against zero, unless equivalence is shown on more than half.
    6. ``undecided``.

    Args:
        results: Of one estimand, metric and pair of arms, one a dataset, not empty; those that are insufficient, or
            mostly censored, count as datasets that show nothing.
    """
    judged = [result for result in results if result.judged.outcome != "insufficient"]
    telling = [result for result in judged if not mostly_censored(result)]
    datasets, least = len(results), least_of(len(results))

    def shown(p_values: list[float]) -> float:
        if not judged:
            return math.nan
        return partial_conjunction(np.array([*p_values, *np.ones(datasets - len(telling))]), least)

    one = results[0]
    first, second = shown([result.p_above for result in telling]), shown([result.p_below for result in telling])
    first_small, second_small = shown([result.p_greater for result in telling]), shown([r.p_less for r in telling])
    equivalent = shown([result.p_equivalence for result in telling])
    p_of = {one.first: (first, first_small), one.second: (second, second_small)}
    return OverallResult(
        estimand=one.estimand,
        metric=one.metric,
        family=one.family,
        first=one.first,
        second=one.second,
        datasets=len(judged),
        least=least,
        p_first=first,
        p_second=second,
        p_equivalent=equivalent,
        p_first_small=first_small,
        p_second_small=second_small,
        verdict=_verdict(judged, p_of, equivalent, datasets),
    )


def _verdict(
    judged: Sequence[Result], p_of: dict[str, tuple[float, float]], equivalent: float, datasets: int
) -> Verdict:
    """By the rules of `overall`.

    Args:
        judged: The results that have a verdict.
        p_of: For each arm the p-values of a clear and of a small difference.
        equivalent: The p-value of equivalence.
        datasets: How many there are.
    """
    if not judged:
        return Verdict("insufficient", "no dataset has a verdict")
    least = least_of(datasets)
    enough = _enough(least, datasets)
    on = {arm: [str(result.dataset) for result in judged if result.judged.side == arm] for arm in p_of}
    if all(on.values()):
        return Verdict("mixed", "; ".join(f"{arm} on {' and '.join(where)}" for arm, where in on.items()))
    side = next((arm for arm, where in on.items() if where), None)
    if side and p_of[side][0] <= ALPHA / 2:
        return Verdict("named", enough, side, "clear")
    if equivalent <= ALPHA and not side:
        return Verdict("equivalent", enough)
    if side and p_of[side][1] <= ALPHA / 2 and equivalent > ALPHA:
        return Verdict("named", f"not zero, {enough}", side, "small")
    alike = sum(result.judged.outcome == "equivalent" for result in judged)
    count, what = (len(on[side]), side) if side else (alike, "equivalence")
    if not count:
        return Verdict("undecided", "shown on no dataset")
    needed = f"{least} are needed" if count < least else "not at the level that all of them ask for together"
    return Verdict("undecided", f"{what} shown on {count} of {datasets}; {needed}")


def least_of(datasets: int) -> int:
    """How many of some datasets must show the same: more than half."""
    return datasets // 2 + 1


def _enough(least: int, datasets: int) -> str:
    """On how many datasets it is shown, in words: never more than was tried."""
    if datasets == 1:
        return "shown on the one dataset"
    return "shown on both datasets" if datasets == 2 else f"shown on at least {least} of {datasets} datasets"
