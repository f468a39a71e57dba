"""How much each hyperparameter matters to the validation score: the mean over seeds, each of which has searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison.levels import Ends, levels_of
from analysis.comparison.pairing import by_dataset, has_repeats, row_tuples
from analysis.comparison.settings import halves, whole_runs
from analysis.comparison.tuning import validation_scores
from analysis.parameters import ARM, CONDITION, PARAMETERS
from analysis.searching.variance_shares import variance_shares
from analysis.statistics.intervals import with_t_intervals

_NUMBERS = {parameter.name for parameter in PARAMETERS if parameter.kind in (int, float)}
# What a seed needs. Over 13 to 26 seeds of fabricated searches of two and three hyperparameters, with 12 settings the
# greatest share came out greatest, and what does nothing got 5%; with 8 it got 13 to 18%, with 6 the order was wrong.
# Of five hyperparameters what does nothing got 5% at most with 15 settings, of seven 3% with 21.
_LEAST_SETTINGS = 12
_LEAST_OF_EACH = 3
_MOST_SEEDS = 32  # a forest for each; the interval over so many is narrower than what forests err by
_SETTING = ("seed", *CONDITION)
_COLUMNS = ("dataset", ARM, "parameter", "settings", "rung", "spread", "n", "importance", "low", "high")


def importances(runs: pd.DataFrame) -> pd.DataFrame:
    """How much of the variance of the validation MAP@R follows each hyperparameter alone, as fANOVA has it.

    Each seed's settings give one importance; seeds are the replicates. A diverged run counts as 0, the least that MAP@R
    can be. What is missing to 1 follows several hyperparameters together, or is chance. Where nothing matters, chance
    alone gives shares of up to 40%, so read them beside ``spread``. Few settings do not tell an interaction from what
    each does alone. Exploratory: no verdict rests on it.

    Numbers that seeds drew from a range stand on a log scale; the levels of a grid or a list weigh the same. Where
    halving stopped settings, all scores are those of its first rung, which every setting that it compared has. Records
    hold them; MLflow, which has one run of each setting, does not, and gives no importances there.

    Args:
        runs: A study, as `load_study` gives it.

    Returns:
        A row for each dataset, loss and hyperparameter that varies: ``importance``, the mean over ``n`` seeds, a share
        (of more than 32 seeds the first 32 count); ``low`` and ``high``, its 95% t interval (NaN where n is 1);
        ``settings``, the fewest that one of these seeds tried; ``spread``, the standard deviation of a seed's scores
        over its settings, the mean over seeds (a share); ``rung``, the epoch at which the scores were read, 0 for each
        run's last. No rows where a single hyperparameter varies, and none of seeds with fewer than 12 settings, or than
        3 for each hyperparameter.

    References:
        Hutter, Hoos and Leyton-Brown (2014). An efficient approach for assessing hyperparameter importance. ICML.
    """
    return importances_of(by_dataset(runs))


def importances_of(datasets: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """As `importances`, from the runs of each dataset as `by_dataset` gives them."""
    found = [
        {"dataset": dataset, ARM: arm, **row}
        for dataset, runs in datasets.items()
        for arm, own in runs.groupby(ARM)
        for row in _of_arm(own)
    ]
    if not found:
        return pd.DataFrame(columns=_COLUMNS)
    return with_t_intervals(pd.DataFrame(found)).rename(columns={"mean": "importance"})[[*_COLUMNS]]


def _of_arm(runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The hyperparameters of one arm on one dataset, each with its mean over seeds and the standard error of that."""
    scored, rung = _scored(runs)
    names = [name for name in CONDITION if scored[name].nunique() > 1]
    if len(names) < 2 or has_repeats(scored):
        return
    placed, ranges = _placed(scored, names)
    scores = validation_scores(scored).clip(lower=0.0).to_numpy()
    seeds = scored["seed"].to_numpy()
    shares: list[dict[str, float]] = []
    settings, spreads = [], []
    for seed in sorted(set(seeds.tolist())):
        if len(shares) == _MOST_SEEDS:
            break
        own = seeds == seed
        if own.sum() < max(_LEAST_SETTINGS, _LEAST_OF_EACH * len(names)):
            continue
        share = variance_shares(placed[own], ranges, scores[own])
        if share is not None:
            shares.append(share)
            settings.append(int(own.sum()))
            spreads.append(float(np.std(np.sort(scores[own]))))
    for name in names if shares else ():
        values = pd.Series([share[name] for share in shares])
        yield {
            **{"parameter": name, "settings": min(settings), "rung": rung, "spread": float(np.mean(spreads))},
            **{"n": len(values), "mean": values.mean(), "sem": values.sem()},
        }


def _scored(runs: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One run for each setting of a seed, all scored at the same rung, and that rung; 0 for each run's last epoch.

    Where settings were stopped, those that no rung compared, the default setting say, are left out. So are seeds of
    which none that went on has a score at the first rung: all that is left there is what was stopped.
    """
    if not halves(runs):
        return whole_runs(runs), 0
    rung = int(runs.loc[runs["stopped_at"] > 0, "stopped_at"].min())
    first = runs[runs["stopped_at"] == rung]
    known = set(row_tuples(first, _SETTING))
    went_on = set(row_tuples(runs[runs["stopped_at"] != rung], _SETTING))
    return first[first["seed"].isin({seed for seed, *_ in known & went_on})], rung


def _placed(rows: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, dict[str, Ends]]:
    """The settings as fANOVA takes them: where numbers stand in their range, else names, and each range."""
    placed, ranges = {}, {}
    for name in names:
        if name not in _NUMBERS:
            placed[name] = rows[name].astype(str).to_numpy()
            continue
        levels = levels_of(rows, name)
        if levels.drawn:
            # Optuna's fANOVA averages over a range as it is given, even where it was drawn on a log scale.
            ends = levels.ranges[0][0], levels.ranges[-1][1]  # a zero beside them stands at the lower end
            placed[name] = np.log(rows[name].to_numpy(float).clip(*ends))
            ranges[name] = float(np.log(ends[0])), float(np.log(ends[1]))
        else:
            placed[name] = levels.positions(rows[name]).astype(float)
            ranges[name] = -0.5, len(levels.ranges) - 0.5
    return pd.DataFrame(placed), ranges
