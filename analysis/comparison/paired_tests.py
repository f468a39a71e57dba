"""Comparing paired results: every test and effect of one sample, on any table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.comparison.arms import ArmPair, arm_pairs
from analysis.comparison.judgement import judge
from analysis.comparison.result import OF_STUDIES, Result, result_table
from analysis.metrics import ROPE, Scale
from analysis.parameters import ARM
from analysis.statistics.corrections import Floats
from analysis.statistics.intervals import paired_t_interval
from analysis.statistics.sign_flips import (
    SignFlips,
    probability_of_superiority,
    skewness,
    standardized_mean,
)

_ROUNDING = 1e-9  # by how much a share may lie outside 0 to 1


def compare(
    frame: pd.DataFrame,
    *,
    pair_by: str | Sequence[str],
    metric: str | Sequence[str],
    between: str = ARM,
    first: str | None = None,
    second: str | None = None,
    scale: Scale = "share",
    rope: float | None = None,
) -> pd.DataFrame:
    """Compares two arms on any table of paired results, wherever it came from.

    Args:
        frame: One row a result.
        pair_by: Column(s) whose values both arms share: a seed, a fold, a data split. Rows of one arm and pair are
            averaged, so that they do not count as replicates. A pair that one of the two arms lacks, or that has a row
            without a value, is dropped whole and counted as missing.
        metric: Column(s) to compare; their tests are corrected for each other by Holm's method.
        between: Column that tells the arms apart.
        first: The first arm. The difference is its value minus the other's.
        second: The other one. If neither is given, the table must hold two arms: the later one in the alphabet is the
            first.
        scale: ``"share"`` compares differences of values between 0 and 1, ``"epochs"`` those of any values, ``"log"``
            the ratios of positive ones.
        rope: Half-width of the region of practical equivalence, on the scale of the test (a logarithm for ``"log"``),
            positive; `analysis.metrics.ROPE` if not given.

    Returns:
        One row a metric: ``first`` and ``second``, ``n``, the mean of each arm, ``difference`` with ``ci_low`` and
        ``ci_high``, the p-values as they are and corrected, effect sizes, ``verdict`` and ``reason``; in all, the
        fields of `analysis.comparison.result.Result` but for those of whole studies.

    Raises:
        ValueError: If a column is not in the table, stands in it more than once, or is named more than once; if an arm
            has no rows, is both arms, or is not named where there are not two; if a row lacks what it is paired by; if
            a value is not a number, is infinite, is not positive on ``"log"``, or lies outside 0 to 1 on ``"share"``
            (percentages do); if `scale` is not known or `rope` not positive and finite.

    Examples:
        >>> import pandas as pd
        >>> results = pd.DataFrame({
        ...     "fold": [*range(10), *range(10)],
        ...     "model": ["new"] * 10 + ["old"] * 10,
        ...     "accuracy": [0.80 + 0.001 * fold for fold in range(10)] + [0.76 + 0.0012 * fold for fold in range(10)],
        ... })
        >>> table = compare(results, pair_by="fold", metric="accuracy", between="model", first="new", second="old")
        >>> table[["n", "first_mean", "second_mean", "verdict"]].round(3).to_dict("records")
        [{'n': 10, 'first_mean': 0.804, 'second_mean': 0.765, 'verdict': 'new'}]
    """
    pairs = [pair_by] if isinstance(pair_by, str) else list(pair_by)
    metrics = [metric] if isinstance(metric, str) else list(metric)
    _check_columns(frame, pairs, metrics, between, scale, rope)
    arms = _arms(frame[between], first, second)
    both = frame[frame[between].isin(arms)]
    for name in pairs:
        if both[name].isna().any():
            raise ValueError(f"a row has no {name!r}, so that it cannot be paired")
    keys = [*(both[column] for column in pairs), both[between].astype(object)]
    results = []
    for name in metrics:
        cells = _numbers(both[name], scale).groupby(keys, observed=True)
        wide = cells.mean().where(cells.count() == cells.size()).unstack().reindex(columns=list(arms))
        complete = wide.dropna()
        empty = Result(
            metric=name,
            first=arms.first,
            second=arms.second,
            scale=scale,
            rope=ROPE[scale] if rope is None else rope,
            missing_share=1 - len(complete) / len(wide),
        )
        results.append(tested(empty, complete[arms.first].to_numpy(), complete[arms.second].to_numpy()))
    return result_table(judge(results), without=OF_STUDIES)


def _check_columns(
    frame: pd.DataFrame, pairs: list[str], metrics: list[str], between: str, scale: Scale, rope: float | None
) -> None:
    """Checks the columns and options of `compare`; `_numbers` checks the values."""
    if scale not in ROPE:
        raise ValueError(f"unknown scale {scale!r}: choose from {', '.join(ROPE)}")
    if rope is not None and not 0 < rope < math.inf:
        raise ValueError(f"rope must be positive and finite, not {rope}")
    if not pairs or not metrics:
        raise ValueError(f"{'metric' if pairs else 'pair_by'} must name at least one column")
    named = [*pairs, *metrics, between]
    for name in named:
        if name not in frame.columns:
            raise ValueError(f"the table has no column {name!r}: it has {', '.join(map(str, frame.columns))}")
        if list(frame.columns).count(name) > 1:
            raise ValueError(f"the table has more than one column {name!r}")
        if named.count(name) > 1:
            raise ValueError(f"the column {name!r} is named more than once")


def _arms(column: pd.Series, first: str | None, second: str | None) -> ArmPair:
    """The arms to compare: those that were named, else the only two."""
    present = ", ".join(map(str, column.unique()))
    if first is None and second is None:
        arms = column.dropna().unique().tolist()
        if len(arms) != 2 or not all(isinstance(arm, str) for arm in arms):
            raise ValueError(f"name first and second: {column.name!r} holds {present}")
        return arm_pairs(arms)[0]
    if first is None or second is None:
        raise ValueError("name both first and second, or neither")
    if first == second:
        raise ValueError(f"first and second are both {first!r}")
    for arm in (first, second):
        if not (column == arm).any():
            raise ValueError(f"no row has {column.name} = {arm!r}: there are {present}")
    return ArmPair(first, second)


def _numbers(values: pd.Series, scale: Scale) -> pd.Series:
    """A metric's values on the scale of the test, missing ones as NaN."""
    try:
        numbers = values.astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"the column {values.name!r} holds what is not a number") from None
    if np.isinf(numbers).any():
        raise ValueError(f"the column {values.name!r} holds an infinite value")
    if scale == "log" and (numbers <= 0).any():
        raise ValueError(f"the column {values.name!r} holds a value that is not positive: it has no logarithm")
    outside = numbers[(numbers < -_ROUNDING) | (numbers > 1 + _ROUNDING)]
    if scale == "share" and len(outside):
        percent = "divide percentages by 100, or " if outside.iloc[0] > 1 else ""
        raise ValueError(
            f"the column {values.name!r} holds {outside.iloc[0]:.10g}, which is no share from 0 to 1: {percent}give "
            "another scale ('epochs' compares any values, with a rope in their unit)"
        )
    return numbers.map(math.log, na_action="ignore") if scale == "log" else numbers


def tested(result: Result, first: Floats, second: Floats) -> Result:
    """A result with every test and effect of one paired sample.

    Args:
        result: What is compared, on which scale, with which region of practical equivalence.
        first: (n,) values of the first arm on the scale of the test: logarithms for ``"log"``.
        second: (n,) those of the second arm, in the same order of pairs.
    """
    differences = first - second
    if not differences.size:
        return result
    flips = SignFlips(differences)
    zero = flips.test()
    native = math.exp if result.scale == "log" else float
    low, high = paired_t_interval(differences)
    probability, probability_low, probability_high = probability_of_superiority(differences)
    wins, losses = int(np.sum(differences > 0)), int(np.sum(differences < 0))
    effects = replace(
        result,
        n=len(differences),
        first_mean=native(float(first.mean())),
        second_mean=native(float(second.mean())),
        difference=native(float(differences.mean())),
        ci_low=native(low) if np.isfinite(low) else math.nan,
        ci_high=native(high) if np.isfinite(high) else math.nan,
        p_value=zero.two_sided,
        p_greater=zero.greater,
        p_less=zero.less,
        effect_size=standardized_mean(differences),
        probability=probability,
        probability_low=probability_low,
        probability_high=probability_high,
        meaningful=_is_meaningful(probability_low, probability_high),
        wins=wins,
        losses=losses,
        ties=differences.size - wins - losses,
        spread=float(np.std(differences, ddof=1)) if differences.size > 1 else math.nan,
        skewness=skewness(differences),
    )
    return against_region(effects, flips)


def against_region(result: Result, flips: SignFlips) -> Result:
    """A result with the tests against its region of practical equivalence.

    Args:
        result: With that region.
        flips: The sign-flip tests of its differences.
    """
    return replace(
        result,
        p_minimum_effect=flips.minimum_effect_p(result.rope),
        p_above=flips.test(result.rope).greater,
        p_below=flips.test(-result.rope).less,
        p_equivalence=flips.equivalence_p(result.rope),
    )


def _is_meaningful(low: float, high: float) -> bool:
    """Bouthillier et al. (2021): likely better, and possibly by enough; the same for the other direction."""
    return (low > 0.5 and high > 0.75) or (high < 0.5 and low < 0.25)
