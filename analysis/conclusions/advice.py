"""What to use on a dataset: the loss, its setting, what it gains in test MAP@R, and how sure that is.

Every seed tunes on its own validation data, so these are gains of that way of tuning, and not of the one setting that
most seeds chose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.comparison.comparisons import Comparison
from analysis.comparison.pairing import Condition
from analysis.comparison.result import Result
from analysis.comparison.tuning import ChosenRange, Tuned
from analysis.metrics import SCORE, TUNED
from analysis.parameters import ARM
from analysis.statistics.intervals import paired_t_interval
from analysis.statistics.sign_flips import SignFlips


@dataclass(frozen=True)
class Gain:
    """How much higher the test MAP@R of the chosen runs is than that of other runs of the same seeds.

    Attributes:
        n: Number of seeds that have both.
        difference: Mean over them, in shares.
        ci_low: Lower end of its 95% paired t interval; infinite for a single seed.
        ci_high: Upper end.
        p_value: Of the two-sided sign-flip test against zero, not corrected.
        absent: Why there is none; empty if there is one.
    """

    n: int = 0
    difference: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    p_value: float = math.nan
    absent: str = ""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to use on one dataset, of two arms.

    Attributes:
        label: Of the comparison.
        result: The tuned comparison of MAP@R.
        loss: The arm that its verdict names, else the one of the higher mean; None where nothing was tuned.
        setting: The one that most seeds chose for that arm; where each drew its own, from where to where these go.
        chosen_by: How many seeds chose it.
        seeds: How many chose one at all.
        over_default: What tuning gains over the same arm at `DEFAULT_SETTING`; exploratory.
        over_untrained: What training gains over the same runs' networks at epoch 0; exploratory.
    """

    label: str
    result: Result
    loss: str | None = None
    setting: Condition | ChosenRange | None = None
    chosen_by: int = 0
    seeds: int = 0
    over_default: Gain = Gain(absent="nothing was tuned")
    over_untrained: Gain = Gain(absent="nothing was tuned")

    @property
    def other(self) -> str:
        """The arm that is not advised."""
        return self.result.second if self.loss == self.result.first else self.result.first

    @property
    def over_other(self) -> Gain:
        """What the advised arm gains over the other one: the tuned difference, which has a verdict."""
        tuned = self.result
        if not tuned.n:
            return Gain(absent=tuned.judged.reason)
        if self.loss == tuned.first:
            return Gain(tuned.n, tuned.difference, tuned.ci_low, tuned.ci_high, tuned.p_value)
        return Gain(tuned.n, -tuned.difference, -tuned.ci_high, -tuned.ci_low, tuned.p_value)


def advise(compared: Sequence[Comparison], results: Sequence[Result], points: pd.DataFrame) -> list[Advice]:
    """What to use in each comparison of a study.

    Args:
        compared: Its comparisons.
        results: Their results, the rows of `verdicts`.
        points: Test MAP@R by epoch, as `StoredStudy` holds it; other metrics and runs are passed over.
    """
    tuned = {(one.dataset, one.arms): one for one in results if (one.estimand, one.metric) == (TUNED, SCORE.name)}
    untrained = _untrained_scores(points)
    return [_advice(one, tuned[one.dataset, one.arms], untrained) for one in compared]


def _untrained_scores(points: pd.DataFrame) -> pd.Series:
    """Test MAP@R at epoch 0 by key."""
    if points.empty:
        return pd.Series(dtype=float)
    first = points[(points["metric"] == SCORE.column) & (points["epoch"] == 0)]
    return pd.Series(first["value"].to_numpy(float), index=first["key"].astype(str))


def _advice(comparison: Comparison, result: Result, untrained: pd.Series) -> Advice:
    if comparison.tuned.runs.empty or not result.n:
        return Advice(label=comparison.label, result=result)
    loss = result.judged.side or (result.first if result.difference >= 0 else result.second)
    chosen = _of_arm(comparison.tuned.runs, loss)
    setting, count = _setting(comparison.tuned, loss)
    return Advice(
        label=comparison.label,
        result=result,
        loss=loss,
        setting=setting,
        chosen_by=count,
        seeds=len(chosen),
        over_default=_over_default(chosen, _of_arm(comparison.at_default(), loss)),
        over_untrained=_gain(
            chosen[SCORE.column],
            chosen["key"].map(untrained),
            "no score of epoch 0 is in the records here",
        ),
    )


def _setting(tuned: Tuned, arm: str) -> tuple[Condition | ChosenRange, int]:
    """What to use, and how many seeds chose it."""
    if not tuned.drawn:
        return tuned.counts(arm)[0]
    chosen = tuned.chosen_range(arm)
    return chosen, chosen.seeds


def _of_arm(runs: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Its runs by seed."""
    return runs[runs[ARM] == arm].set_index("seed")


def _over_default(chosen: pd.DataFrame, default: pd.DataFrame) -> Gain:
    if default.empty:
        return Gain(absent="the study has no run at it")
    diverged = int(default["diverged"].astype(bool).sum())
    if diverged:  # the others would hide it
        return Gain(absent=f"{diverged} of {len(default)} runs at it diverged")
    return _gain(chosen[SCORE.column], default[SCORE.column], "no seed has runs at it")


def _gain(chosen: pd.Series, others: pd.Series, absent: str) -> Gain:
    """Chosen minus others, by seed."""
    differences = (chosen - others).dropna().to_numpy(float)
    if not len(differences):
        return Gain(absent=absent)
    low, high = paired_t_interval(differences)
    p_value = SignFlips(differences).test().two_sided
    return Gain(len(differences), float(differences.mean()), low, high, p_value)
