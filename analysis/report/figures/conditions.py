"""Figures of a comparison's conditions: the decay of the loss, and what tuning took."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis.comparison.budget import BudgetCurve
from analysis.comparison.comparisons import Comparison
from analysis.comparison.settings import exchangeable
from analysis.metrics import BY_NAME, SCORE, SELECTION
from analysis.parameters import ARM
from analysis.report.arms import pair_styles
from analysis.report.figures.style import EQUIVALENT, FAINT, INK, Drawing, NothingToDrawError, band, fill_bands, panel
from analysis.report.formatting import seeds_text
from analysis.statistics.censoring import kaplan_meier

_DECAY = BY_NAME["loss_decay_epochs"]


def decay(comparison: Comparison) -> Drawing | None:
    """Kaplan-Meier curves of the decay times; runs that have none are left out and counted.

    Raises:
        NothingToDrawError: If no run has a decay time and tells whether it is censored.
    """
    shown = comparison.shown()
    if shown.empty:
        return None
    ended = shown[~shown["diverged"]]
    known = _measured(ended, _DECAY.column, str(_DECAY.censored_by))
    curves = []
    with panel() as (figure, axes):
        for arm, style in pair_styles(comparison).items():
            own = known[known[ARM] == arm]
            if not len(own):
                continue
            curve = kaplan_meier(own[_DECAY.column], own[_DECAY.censored_by] > 0)
            axes.step(curve["time"], curve["survival"], style.line, where="post", color=style.colour, label=arm)
            curves.append(curve.assign(**{ARM: arm}))
        axes.set(xlabel="epoch", ylabel="not there yet (share of runs)", ylim=(0, 1.02))
        axes.set_title("Loss decay (Kaplan-Meier)")
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.legend(fontsize=8)
    alt = "Share of runs whose loss has not fallen to a tenth yet, by epoch, for both losses"
    runs = " and ".join(f"{(known[ARM] == arm).sum()} {arm}" for arm in comparison.arms)
    parts = [f"{len(shown) - len(ended)} diverged"] if len(shown) > len(ended) else []
    parts += [f"{len(ended) - len(known)} without a decay time"] if len(ended) > len(known) else []
    note = f"Left out: {' and '.join(parts)} of {len(shown)} runs." if parts else ""
    seeds = seeds_text(known.groupby(ARM)["seed"].nunique().tolist())
    return Drawing(figure, pd.concat(curves), alt, f"{runs} runs of {seeds}", note)


def tuning_effort(comparison: Comparison) -> Drawing | None:
    """The expected test score of the best setting, by the number of settings tried.

    Raises:
        NothingToDrawError: If no run has a validation or a test score, or nothing could be tuned.
    """
    curve = _budget_curve(comparison)
    if curve is None:
        return None
    with panel() as (figure, axes):
        band(axes, curve.scores, "settings", pair_styles(comparison))
        axes.set(xlabel="settings tried", ylabel="MAP@R, test data (share)", title="Expected best")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    alt = "The test score to be expected of the best of so many settings, for both losses"
    return Drawing(figure, curve.scores, alt, _effort_text(curve))


def tuning_difference(comparison: Comparison) -> Drawing | None:
    """The tuned difference, by the number of settings tried, with the region of practical equivalence.

    Raises:
        NothingToDrawError: As `tuning_effort` does.
    """
    curve = _budget_curve(comparison)
    if curve is None:
        return None
    rows, rope = curve.differences, 100 * curve.rope
    with panel() as (figure, axes):
        axes.axhspan(-rope, rope, color=EQUIVALENT, zorder=0)
        axes.axhline(0.0, color="#888888", linewidth=0.8, zorder=1)
        marker = "o" if len(rows) <= 12 else None
        axes.plot(rows["settings"], 100 * rows["mean"], color=INK, marker=marker, markersize=4.5)
        fill_bands(axes, rows, "settings", INK, 100)
        first, second = comparison.arms
        axes.set(xlabel="settings tried", ylabel=f"{first} minus {second} (pt)", title="Tuned difference")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    moves = "it still moves at the last" if curve.still_moves else "it no longer moves at the last"
    alt = f"The tuned difference in MAP@R to be expected with so many settings; {moves}"
    return Drawing(figure, rows, alt, _effort_text(curve))


def _budget_curve(comparison: Comparison) -> BudgetCurve | None:
    """None for a single setting, and where not any order of trying would do: these show no curve."""
    if not exchangeable(comparison.tried):
        return None
    _measured(comparison.runs, SELECTION, SCORE.column)
    curve = comparison.budget_curve
    if curve is None:
        raise NothingToDrawError(comparison.tuned.refused or "no seed has a setting for both losses")
    return curve if curve.budget > 1 else None


def _effort_text(curve: BudgetCurve) -> str:
    return f"{seeds_text(curve.differences['n'].tolist())}, {curve.budget} settings a loss"


def _measured(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows that have a value in each column."""
    for column in columns:
        if column not in rows or rows[column].isna().all():
            raise NothingToDrawError(f"no run has {column}")
    known = rows.dropna(subset=list(columns))
    if known.empty:
        raise NothingToDrawError(f"no run has both {' and '.join(columns)}")
    return known
