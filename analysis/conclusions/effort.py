"""From how many settings on which arm is better: read of the band of the tuned difference. Exploratory.

The band holds the difference for every number of settings at once, so that a number may be picked after the fact. It is
not corrected for other datasets. The tuned verdict is, and stands at all settings whatever the band says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.comparison.arms import ArmPair
from analysis.comparison.budget import BudgetCurve
from analysis.comparison.comparisons import Comparison, comparisons
from analysis.comparison.result import Result, Verdict
from analysis.metrics import SCORE, TUNED
from analysis.parameters import ARM

DIFFERENCE = "difference"
_COLUMNS = ["dataset", "first", "second", "curve", "settings", "n", "mean", "low", "high", "band_low", "band_high"]


class Lead(NamedTuple):
    """Numbers of settings, one after the other, for which the band of the difference names the same arm."""

    arm: str
    least: int
    most: int


@dataclass(frozen=True)
class Effort:
    """What the band of the tuned difference says of one comparison.

    Attributes:
        label: Of the comparison.
        arms: What is compared.
        budget: The number of settings of each arm, m.
        band: Of the difference at m, first arm minus second; NaN for a single seed.
        rope: Half-width of the region of practical equivalence.
        leads: Where an arm is shown to be better, the fewest settings first.
        beyond_from: The fewest settings from which on the whole band up to m lies beyond the region; None if nowhere.
        within_from: The fewest settings from which on it lies within the region; None if nowhere.
        verdict: The tuned verdict, which is on m settings.
    """

    label: str
    arms: ArmPair
    budget: int
    band: tuple[float, float]
    rope: float
    leads: tuple[Lead, ...]
    beyond_from: int | None
    within_from: int | None
    verdict: Verdict

    @property
    def leader(self) -> Lead | None:
        """The lead that reaches m; None where the band at m names no arm."""
        return self.leads[-1] if self.leads and self.leads[-1].most == self.budget else None

    @property
    def other_leads(self) -> tuple[Lead, ...]:
        """Those with fewer settings, as far as they name another arm than the last one: the direction turns there."""
        leader = self.leader
        return tuple(lead for lead in self.leads if leader is None or lead.arm != leader.arm)

    @property
    def outcome(self) -> Verdict:
        """What the verdict would be were it read of the band at m alone."""
        if self.beyond_from is not None and self.leader is not None:
            return Verdict("named", side=self.leader.arm, strength="clear")
        if self.within_from is not None:
            return Verdict("equivalent")
        return Verdict("undecided") if self.leader is None else Verdict("named", side=self.leader.arm, strength="small")


def tuning_curves(runs: pd.DataFrame) -> pd.DataFrame:
    """Expected test MAP@R of the best of k settings, and the tuned difference, for every k.

    Args:
        runs: A study, as `load_study` gives it.

    Returns:
        One row a dataset, pair of arms, curve and k. ``curve`` is the arm, or ``difference``, the ``first`` arm minus
        the ``second``, paired by seed; ``settings`` is k, ``n`` the seeds, ``mean`` their mean in shares. ``low`` and
        ``high`` are the 95% t interval at this k, ``band_low`` and ``band_high`` the 95% band that holds the curve at
        all k at once; NaN for a single seed. The k settings are drawn at random of those that a seed tried. A dataset
        without such curves has no rows: where nothing could be tuned, or a search learned or halved.

    Examples:
        >>> from analysis import load_study
        >>> table = tuning_curves(load_study("demo"))
        >>> table.groupby("curve")["settings"].max().to_dict()
        {'contrastive': 4, 'difference': 4, 'triplet': 4}
    """
    parts = []
    for comparison in comparisons(runs):
        curve = comparison.budget_curve
        if curve is not None:
            rows = pd.concat([curve.scores.rename(columns={ARM: "curve"}), curve.differences.assign(curve=DIFFERENCE)])
            first, second = comparison.arms
            parts.append(rows.assign(dataset=comparison.dataset, first=first, second=second))
    return pd.concat(parts, ignore_index=True)[_COLUMNS] if parts else pd.DataFrame(columns=_COLUMNS)


def efforts(compared: Sequence[Comparison], results: Sequence[Result]) -> list[Effort]:
    """What the bands say, of each comparison with more than one setting to choose from and a curve.

    Args:
        compared: The comparisons of a study.
        results: Their results, the rows of `verdicts`.
    """
    tuned = {(one.dataset, one.arms): one for one in results if (one.estimand, one.metric) == (TUNED, SCORE.name)}
    return [
        _effort(comparison, curve, tuned[comparison.dataset, comparison.arms].judged)
        for comparison in compared
        if (curve := comparison.budget_curve) is not None and curve.budget > 1
    ]


def _effort(comparison: Comparison, curve: BudgetCurve, verdict: Verdict) -> Effort:
    low, high = (curve.differences[name].to_numpy(float) for name in ("band_low", "band_high"))
    named = np.where(low > 0, comparison.arms.first, np.where(high < 0, comparison.arms.second, ""))
    leads, least = [], 1
    for arm, own in groupby(named.tolist()):
        most = least + len(list(own)) - 1
        if arm:
            leads.append(Lead(arm, least, most))
        least = most + 1
    return Effort(
        label=comparison.label,
        arms=comparison.arms,
        budget=curve.budget,
        band=(float(low[-1]), float(high[-1])),
        rope=curve.rope,
        leads=tuple(leads),
        beyond_from=_from(low > curve.rope) or _from(high < -curve.rope),
        within_from=_from((low > -curve.rope) & (high < curve.rope)),
        verdict=verdict,
    )


def _from(holds: npt.NDArray[np.bool_]) -> int | None:
    """The fewest settings from which on something holds up to all of them; None if it does not hold there."""
    missed = np.flatnonzero(~holds)
    first = int(missed[-1]) + 2 if missed.size else 1
    return first if first <= holds.size else None
