"""A row of a verdict table as a value, and the verdict in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import pandas as pd

from analysis.comparison.arms import ArmPair
from analysis.metrics import Estimand, Family, Scale
from analysis.statistics.power import ALPHA

Outcome = Literal["named", "equivalent", "mixed", "undecided", "insufficient", "shown"]
Strength = Literal["clear", "small"]
MOST_SKEWED = 1.5  # of the differences, for a test that takes them for symmetric
Test = Literal["effect", "equivalence", "d = 0"]  # beyond the region of practical equivalence, within it, against zero


@dataclass(frozen=True)
class Verdict:
    """What the data say of two arms.

    Attributes:
        outcome: ``"named"`` if they name an arm, else how they do not; ``"shown"`` for a metric without verdicts.
        reason: Why, in words.
        side: The arm that they name.
        strength: ``"clear"`` beyond the region of practical equivalence, ``"small"`` if only not zero.
    """

    outcome: Outcome
    reason: str = ""
    side: str | None = None
    strength: Strength | None = None

    @property
    def test(self) -> Test | None:
        """The test that decided; None where none rejects."""
        if self.outcome == "equivalent":
            return "equivalence"
        if self.outcome != "named":
            return None
        return "d = 0" if self.strength == "small" else "effect"

    def __str__(self) -> str:
        """The verdict in a word or two, as tables show it."""
        if self.outcome != "named":
            return self.outcome
        return f"{self.side}, small" if self.strength == "small" else str(self.side)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the tests of one paired sample found, and the verdict on it. The fields are the columns of a verdict table.

    Values of metrics compared by their logarithm are geometric means and ratios.

    Attributes:
        dataset: What was compared on; None for tables that are no study's.
        metric: What was compared.
        estimand: How the arms' hyperparameters were treated; None for tables that are no study's.
        first: The first arm. The difference is its value minus the other's.
        second: The other one.
        n: Number of complete pairs.
        first_mean: Mean of the first arm over the pairs.
        second_mean: Mean of the second arm.
        difference: Mean of the paired differences.
        ci_low: Lower end of its 95% paired t interval.
        ci_high: Upper end.
        p_value: Of the two-sided test against zero.
        p_corrected: `p_value`, corrected within the family.
        effect_size: d_z, the mean difference over the standard deviation of the differences.
        probability: P(first > second), ties as a half.
        verdict: What follows; None until it is judged.
        family: Of the metric.
        scale: On which the metric is compared.
        rope: Half-width of the region of practical equivalence, on the scale of the test.
        p_greater: One-sided, that the difference is above zero.
        p_less: One-sided, that it is below zero.
        p_minimum_effect: Two-sided, that it lies outside the region of practical equivalence.
        p_above: One-sided, that it lies above the region.
        p_below: One-sided, that it lies below the region.
        p_equivalence: That it lies within the region.
        probability_low: Lower end of the Clopper-Pearson interval of `probability`.
        probability_high: Upper end.
        meaningful: Whether that interval is likely on one side and reaches beyond 0.75 (Bouthillier et al. 2021).
        wins: Pairs in which the first arm is higher.
        losses: Pairs in which it is lower.
        ties: Pairs in which they are equal.
        spread: Standard deviation of the differences, on the scale of the test.
        skewness: Moment skewness (g1) of the differences, on that scale; NaN where they are all equal.
        missing_share: Share of the pairs that were dropped or never there.
        diverged_first: Share of the first arm's runs that diverged.
        diverged_second: The same for the second arm.
        censored_first: Share of the first arm's runs that are censored.
        censored_second: The same for the second arm.
        chosen_first: The condition that tuning chose for the first arm, in words.
        chosen_second: The same for the second arm.
        budget: How many conditions each arm could choose from.
        refused: Why no verdict can be read of these runs; None if one can.
        rises_first: Where the range searched ends although the first arm still rises there; None if nowhere.
        rises_second: The same for the second arm.
        p_minimum_effect_corrected: `p_minimum_effect`, corrected within the family.
        p_equivalence_corrected: `p_equivalence`, corrected within the family.
        more_seeds: How many more seeds would decide an undecided comparison.
    """

    dataset: str | None = None
    metric: str
    estimand: Estimand | None = None
    first: str
    second: str
    n: int = 0
    first_mean: float = math.nan
    second_mean: float = math.nan
    difference: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    p_value: float = math.nan
    p_corrected: float = math.nan
    effect_size: float = math.nan
    probability: float = math.nan
    verdict: Verdict | None = None
    family: Family | None = None
    scale: Scale
    rope: float
    p_greater: float = math.nan
    p_less: float = math.nan
    p_minimum_effect: float = math.nan
    p_above: float = math.nan
    p_below: float = math.nan
    p_equivalence: float = math.nan
    probability_low: float = math.nan
    probability_high: float = math.nan
    meaningful: bool = False
    wins: float = math.nan
    losses: float = math.nan
    ties: float = math.nan
    spread: float = math.nan
    skewness: float = math.nan
    missing_share: float = 0.0
    diverged_first: float = 0.0
    diverged_second: float = 0.0
    censored_first: float = 0.0
    censored_second: float = 0.0
    chosen_first: str | None = None
    chosen_second: str | None = None
    budget: float = math.nan
    refused: str | None = None
    rises_first: str | None = None
    rises_second: str | None = None
    p_minimum_effect_corrected: float = math.nan
    p_equivalence_corrected: float = math.nan
    more_seeds: float = math.nan

    @property
    def arms(self) -> ArmPair:
        """Both arms."""
        return ArmPair(self.first, self.second)

    @property
    def judged(self) -> Verdict:
        """The verdict of a result that has one.

        Raises:
            ValueError: If it was not judged yet.
        """
        if self.verdict is None:
            raise ValueError(f"{self.metric} was not judged")
        return self.verdict

    @property
    def is_shown(self) -> bool:
        """Whether its metric is shown for what it tells, without a verdict."""
        return self.judged.outcome == "shown"

    @property
    def rising(self) -> dict[str, str]:
        """The arms that still rise where the range searched ends, and where that is."""
        ends = ((self.first, self.rises_first), (self.second, self.rises_second))
        return {arm: where for arm, where in ends if where is not None}

    @property
    def p_deciding(self) -> float:
        """The corrected p-value of the test that decided; NaN where none rejects."""
        test = self.judged.test
        if test is None:
            return math.nan
        if test == "equivalence":
            return self.p_equivalence_corrected
        return self.p_corrected if test == "d = 0" else self.p_minimum_effect_corrected

    @property
    def asymmetric(self) -> bool:
        """Whether the differences are too skewed for the sign-flip tests, which take them for symmetric."""
        return abs(self.skewness) > MOST_SKEWED

    @property
    def not_zero(self) -> bool:
        """Whether it is an equivalence although the difference is shown not to be zero."""
        return self.judged.outcome == "equivalent" and self.p_corrected <= ALPHA


_OF_VERDICT = ("verdict", "side", "strength", "reason")
# Columns that only a table of a study has.
OF_STUDIES = (
    *("dataset", "estimand", "family", "diverged_first", "diverged_second", "censored_first", "censored_second"),
    *("chosen_first", "chosen_second", "budget", "refused", "rises_first", "rises_second"),
)


def result_columns(without: Sequence[str] = ()) -> list[str]:
    """The columns of a table of results: the fields of `Result`, with those of its verdict."""
    names = [name for field in fields(Result) for name in (_OF_VERDICT if field.name == "verdict" else (field.name,))]
    return [name for name in names if name not in without]


def result_table(results: Iterable[Result], without: Sequence[str] = ()) -> pd.DataFrame:
    """Results as a table of `result_columns`, one row each."""
    rows = [_row(result) for result in results]
    return pd.DataFrame(rows, columns=result_columns()).drop(columns=list(without))


def results_of(table: pd.DataFrame) -> list[Result]:
    """The results that `result_table` made a table of; columns that were added are left out.

    Raises:
        ValueError: If the table lacks a column.
    """
    columns = result_columns()
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"this is no table of verdicts of this version: it has no column {missing[0]!r}")
    return [_result(row) for row in table[columns].to_dict("records")]


def _row(result: Result) -> dict[str, Any]:
    row: dict[str, Any] = {**vars(result)}
    verdict = row.pop("verdict")
    if verdict is not None:
        row.update(verdict_cells(verdict))
    return row


def verdict_cells(verdict: Verdict) -> dict[str, str | None]:
    """A verdict's columns in a table."""
    return {
        "verdict": str(verdict),
        "side": verdict.side,
        "strength": verdict.strength,
        "reason": verdict.reason,
    }


def _result(row: Mapping[Any, Any]) -> Result:
    values = {str(name): value for name, value in row.items()}
    for name in _TEXTS & values.keys():
        if pd.isna(values[name]):  # pandas' missing value in a column of text
            values[name] = None
    text, side, strength, reason = (values.pop(name) for name in _OF_VERDICT)
    return Result(**values, verdict=Verdict("named" if side else text, reason or "", side, strength))


_TEXTS = {field.name for field in fields(Result) if field.default is None} | set(_OF_VERDICT)
