"""Figures of a dataset's conditions: the margins, the decay of the loss, and what tuning took."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter

from analysis.censoring import kaplan_meier
from analysis.curves import with_band
from analysis.figures.style import COLOURS, FAINT, LINES, Drawing, NothingToDrawError, band, panel, panels, seeds_text
from analysis.metrics import METRICS
from analysis.pairing import LOSSES, balanced_grid
from analysis.tuning import SELECTION, TUNING_SEEDS, UnequalBudgetsError, best_so_far, tune

_SCORE = next(metric for metric in METRICS if metric.name == "map_at_r").column
_DECAY = next(metric for metric in METRICS if metric.name == "loss_decay_epochs")
_UNITS = {"contrastive": "d", "triplet": "d\u00b2"}  # what a margin is compared with


def margins(part: pd.DataFrame) -> Drawing | None:
    """The test score by margin, each loss on an axis of its own: their margins are not on one scale.

    Args:
        part: Runs of one dataset and setting, both losses.

    Raises:
        NothingToDrawError: If no run has the score.
    """
    if part["margin"].nunique() < 2:
        return None
    ended = _measured(part[~part["diverged"]], _SCORE)
    per_seed = ended.groupby(["loss", "margin", "seed"])[_SCORE].mean().reset_index()
    rows = per_seed.groupby(["loss", "margin"])[_SCORE].agg(["count", "mean", "sem"]).reset_index()
    rows = with_band(rows.rename(columns={"count": "n"})).drop(columns="sem")
    with panels(len(LOSSES), 3.6) as (figure, row):
        for axes, loss in zip(row, LOSSES, strict=True):
            mine = rows[rows["loss"] == loss]
            axes.set_title(loss, color=COLOURS[loss])
            axes.set_xlabel(f"margin on {_UNITS[loss]}")
            axes.grid(axis="y", color=FAINT, linewidth=0.6)
            if not len(mine):
                continue
            band(axes, mine, "margin", legend=False)
            if mine["margin"].min() > 0 and mine["margin"].max() > 4 * mine["margin"].min():
                axes.set_xscale("log")
                axes.xaxis.set_major_formatter(ScalarFormatter())
                axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_locator(FixedLocator(sorted(mine["margin"])))
            axes.margins(x=0.12)
        row[0].set_ylabel("MAP@R, test data (share)")
    alt = "MAP@R by margin, a panel for each loss; the margins are not on one scale"
    return Drawing(figure, rows, alt, seeds_text(rows["n"]))


def decay(part: pd.DataFrame) -> Drawing | None:
    """Kaplan-Meier curves of the decay times; runs that have none are left out and counted.

    Args:
        part: As for `margins`.

    Raises:
        NothingToDrawError: If no run has a decay time and tells whether it is censored.
    """
    grid = balanced_grid(part)
    if grid.empty:
        return None
    ended = grid[~grid["diverged"]]
    known = _measured(ended, _DECAY.column, str(_DECAY.censored_by))
    curves = []
    with panel() as (figure, axes):
        for loss in LOSSES:
            mine = known[known["loss"] == loss]
            if not len(mine):
                continue
            curve = kaplan_meier(mine[_DECAY.column], mine[_DECAY.censored_by] > 0)
            axes.step(curve["time"], curve["survival"], LINES[loss], where="post", color=COLOURS[loss], label=loss)
            curves.append(curve.assign(loss=loss))
        axes.set(xlabel="epoch", ylabel="not there yet (share of runs)", ylim=(0, 1.02))
        axes.set_title("Loss decay (Kaplan-Meier)")
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.legend(fontsize=8)
    alt = "Share of runs whose loss has not fallen to a tenth yet, by epoch, for both losses"
    runs = " and ".join(f"{(known['loss'] == loss).sum()} {loss}" for loss in LOSSES)
    parts = [f"{len(grid) - len(ended)} diverged"] if len(grid) > len(ended) else []
    parts += [f"{len(ended) - len(known)} without a decay time"] if len(ended) > len(known) else []
    note = f"Left out: {' and '.join(parts)} of {len(grid)} runs." if parts else ""
    return Drawing(figure, pd.concat(curves), alt, f"{runs} runs of {seeds_text(_seeds(known))}", note)


def tuning_effort(part: pd.DataFrame, tuning_seeds: int = TUNING_SEEDS) -> Drawing | None:
    """The validation score to be expected of the best of so many settings.

    Args:
        part: As for `margins`.
        tuning_seeds: As for `verdicts`.

    Raises:
        NothingToDrawError: If no run has a validation score.
    """
    _measured(part, SELECTION)
    try:
        tuned = tune(part, tuning_seeds)
    except UnequalBudgetsError as error:
        raise NothingToDrawError(str(error)) from error
    if not tuned.conditions:
        raise NothingToDrawError(tuned.refused)
    if tuned.budget < 2:
        return None
    rows = best_so_far(part, tuning_seeds)
    with panel() as (figure, axes):
        for loss in LOSSES:
            mine = rows[rows["loss"] == loss]
            marker = "o" if len(mine) <= 12 else None
            axes.plot(
                mine["settings"], mine["score"], LINES[loss], color=COLOURS[loss], label=loss, marker=marker, ms=4
            )
        axes.set(xlabel="settings tried", ylabel="validation MAP@R (share)", title="Expected best so far")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.legend(fontsize=8)
    alt = "The validation score to be expected of the best of so many settings, for both losses"
    seeds = seeds_text(pd.Series([len(tuned.tuning)]))
    return Drawing(figure, rows, alt, f"{seeds} that tuned, {tuned.budget} settings a loss")


def _measured(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows that have a value in each column."""
    for column in columns:
        if column not in rows or rows[column].isna().all():
            raise NothingToDrawError(f"no run has {column}")
    known = rows.dropna(subset=list(columns))
    if known.empty:
        raise NothingToDrawError(f"no run has both {' and '.join(columns)}")
    return known


def _seeds(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby("loss")["seed"].nunique()
