"""From the results of a family of tests to verdicts.

A verdict is the first rule that holds.

1. ``insufficient``: fewer than 8 complete pairs, or over 10% of them missing; or what a wider range could turn. An arm
   that still rises where its range ends can only perform better with a wider one: a verdict for it stands, and no other
   verdict on the tuned runs does.
2. An arm, clear: the corrected minimum-effect test rejects.
3. ``equivalent``: the corrected equivalence test rejects, even where the difference is not zero.
4. An arm, small: the corrected test against zero rejects.
5. ``undecided``; so is a decay time that over half the runs of both arms never reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np

from analysis.comparison.result import Result, Verdict
from analysis.statistics.corrections import Floats, holm
from analysis.statistics.power import ALPHA, LEAST_SEEDS, more_seeds

MOST_MISSING = 0.1


def one_family(result: Result) -> Hashable:
    """All results are one family."""
    return None


def judge(
    results: Sequence[Result],
    family_of: Callable[[Result], Hashable] = one_family,
    correction: Callable[[Floats], Floats] = holm,
) -> list[Result]:
    """The results with corrected p-values, verdicts, and how many more seeds an undecided one would need.

    Args:
        results: As `test_sample` gives them, with what was missing, censored or refused.
        family_of: Gives a result's family. Tests are corrected within each family.
        correction: Of one family's p-values of one kind of test.
    """
    families: dict[Hashable, list[int]] = {}
    for position, result in enumerate(results):
        families.setdefault(family_of(result), []).append(position)
    judged = list(results)
    for positions in families.values():
        for position, result in zip(positions, _judge_family([results[p] for p in positions], correction), strict=True):
            judged[position] = result
    return judged


def _judge_family(family: list[Result], correction: Callable[[Floats], Floats]) -> list[Result]:
    p_values = correction(np.array([result.p_value for result in family]))
    minimum_effect = correction(np.array([result.p_minimum_effect for result in family]))
    equivalence = correction(np.array([result.p_equivalence for result in family]))
    tests = sum(not math.isnan(result.p_value) for result in family)
    judged = []
    for position, result in enumerate(family):
        corrected = replace(
            result,
            p_corrected=float(p_values[position]),
            p_minimum_effect_corrected=float(minimum_effect[position]),
            p_equivalence_corrected=float(equivalence[position]),
        )
        verdict = _warned_of_skewness(_verdict(corrected), corrected)
        more = _more_seeds(corrected, tests) if verdict.outcome == "undecided" else math.nan
        judged.append(replace(corrected, verdict=verdict, more_seeds=more))
    return judged


def _verdict(result: Result) -> Verdict:
    verdict = _verdict_within(result)
    if not result.rising or verdict.outcome == "insufficient":
        return verdict
    where = "; ".join(result.rising.values())
    if result.family != "mechanism" and set(result.rising) == {verdict.side}:
        return replace(verdict, reason=f"{verdict.reason}; {where}, which can only widen the difference")
    return Verdict("insufficient", where)


def _verdict_within(result: Result) -> Verdict:
    """The verdict, as if the ranges searched were wide enough."""
    if result.refused:
        return Verdict("insufficient", result.refused)
    if result.n < LEAST_SEEDS:
        return Verdict(
            "insufficient", f"{result.n} complete seed{'' if result.n == 1 else 's'}; at least {LEAST_SEEDS} are needed"
        )
    if result.missing_share > MOST_MISSING:
        return Verdict("insufficient", f"{result.missing_share:.0%} of the pairs are missing")
    if mostly_censored(result):
        return Verdict("undecided", "over half the runs of both losses never reached it")
    unchanged = 1.0 if result.scale == "log" else 0.0
    side = result.first if result.difference > unchanged else result.second
    if result.p_minimum_effect_corrected <= ALPHA:
        return Verdict("named", "larger than the region of practical equivalence", side, "clear")
    if result.p_equivalence_corrected <= ALPHA:
        beside = "; not zero" if result.p_corrected <= ALPHA else ""
        return Verdict("equivalent", f"within the region of practical equivalence{beside}")
    if result.p_corrected <= ALPHA:
        reason = "not zero, but not shown to exceed the region of practical equivalence"
        return Verdict("named", reason, side, "small")
    return Verdict("undecided", "no test rejects")


def _warned_of_skewness(verdict: Verdict, result: Result) -> Verdict:
    """A verdict that rests on a rejection says where the symmetry that the test assumes is in doubt."""
    if verdict.test is None or not result.asymmetric:
        return verdict
    doubt = f"the differences are skewed (skewness {result.skewness:.1f}), so that the p-value may be too small"
    return replace(verdict, reason=f"{verdict.reason}; {doubt}")


def _more_seeds(result: Result, tests: int) -> float:
    """NaN where more seeds would be censored as well."""
    if mostly_censored(result):
        return math.nan
    mean = math.log(result.difference) if result.scale == "log" and result.difference > 0 else result.difference
    return more_seeds(mean, result.spread, result.rope, result.n, tests)


def mostly_censored(result: Result) -> bool:
    """Whether over half the runs of both arms are censored, so that their times cannot be compared."""
    return result.censored_first > 0.5 and result.censored_second > 0.5
