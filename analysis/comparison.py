"""Comparing paired results: every test and effect of one sample, and the verdict on a family of them.

A verdict is the first rule that holds.

1. ``insufficient``: fewer than 8 complete pairs, or over 10% of them missing.
2. the first or the second of the two: the corrected minimum-effect test rejects.
3. ``equivalent``: the corrected equivalence test rejects, even where the difference is not zero.
4. the first or the second, ``small``: the corrected test against zero rejects.
5. ``undecided``; so is a decay time that over half the runs of both losses never reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.corrections import Floats, holm
from analysis.inference import SignFlips, paired_t_interval, probability_of_superiority, standardized_mean
from analysis.metrics import ROPE, Scale
from analysis.power import ALPHA, LEAST_SEEDS, more_seeds

Arms = tuple[str, str]

MOST_MISSING = 0.1
TESTS = ("p_value", "p_minimum_effect", "p_equivalence")


def compare(
    frame: pd.DataFrame,
    *,
    pair_by: str | Sequence[str],
    metric: str | Sequence[str],
    between: str = "loss",
    first: str = "triplet",
    second: str = "contrastive",
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
        first: The arm whose value is the minuend.
        second: The other one.
        scale: ``"share"`` and ``"epochs"`` compare differences, ``"log"`` the ratios of positive values.
        rope: Half-width of the region of practical equivalence, on the scale of the test (a logarithm for ``"log"``),
            positive; `analysis.metrics.ROPE` if not given.

    Returns:
        One row a metric: ``n``, the mean of each arm, ``difference`` with ``ci_low`` and ``ci_high``, the p-values as
        they are and corrected, effect sizes, ``verdict`` and ``reason``.

    Raises:
        ValueError: If a column is not in the table, stands in it more than once, or is named more than once; if an arm
            has no rows, is both arms, or is called like a column of the result; if a row lacks what it is paired by;
            if a value is not a number, is infinite, or is not positive on ``"log"``; if `scale` is not known or
            `rope` not positive and finite.

    Examples:
        >>> import pandas as pd
        >>> results = pd.DataFrame({
        ...     "fold": [*range(10), *range(10)],
        ...     "model": ["new"] * 10 + ["old"] * 10,
        ...     "accuracy": [0.80 + 0.001 * fold for fold in range(10)] + [0.76 + 0.0012 * fold for fold in range(10)],
        ... })
        >>> table = compare(results, pair_by="fold", metric="accuracy", between="model", first="new", second="old")
        >>> table[["n", "new", "old", "verdict"]].round(3).to_dict("records")
        [{'n': 10, 'new': 0.804, 'old': 0.765, 'verdict': 'new'}]
    """
    pairs = [pair_by] if isinstance(pair_by, str) else list(pair_by)
    metrics = [metric] if isinstance(metric, str) else list(metric)
    _check(frame, pairs, metrics, between, (first, second), scale, rope)
    both = frame[frame[between].isin([first, second])]
    keys = [*(both[column] for column in pairs), both[between].astype(object)]
    rows = []
    for name in metrics:
        cells = _numbers(both[name], scale).groupby(keys, observed=True)
        wide = cells.mean().where(cells.count() == cells.size()).unstack().reindex(columns=[first, second])
        complete = wide.dropna()
        half_width = ROPE[scale] if rope is None else rope
        row = compared(complete[first].to_numpy(), complete[second].to_numpy(), scale, half_width)
        row[first], row[second] = row.pop("triplet"), row.pop("contrastive")
        rows.append({"metric": name, "missing_share": 1 - len(complete) / len(wide), **row})
    return judged(pd.DataFrame(rows), [], (first, second))


def _check(
    frame: pd.DataFrame,
    pairs: list[str],
    metrics: list[str],
    between: str,
    arms: Arms,
    scale: Scale,
    rope: float | None,
) -> None:
    """Refuses, in one line, what `compare` cannot tell the meaning of; the metrics' values are left to `_numbers`."""
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
    if arms[0] == arms[1]:
        raise ValueError(f"first and second are both {arms[0]!r}")
    for arm in arms:
        if not (frame[between] == arm).any():
            present = ", ".join(map(str, frame[between].unique()))
            raise ValueError(f"no row has {between} = {arm!r}: there are {present}")
        if arm in _RESULT:
            raise ValueError(f"an arm cannot be called {arm!r}: that is a column of the result")
    for name in pairs:
        if frame.loc[frame[between].isin(arms), name].isna().any():
            raise ValueError(f"a row has no {name!r}, so that it cannot be paired")


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
    return numbers.map(math.log, na_action="ignore") if scale == "log" else numbers


def compared(first: Floats, second: Floats, scale: Scale, rope: float) -> dict[str, Any]:
    """Every test and effect of one paired sample.

    Args:
        first: (n,) values on the scale of the test: logarithms for ``"log"``.
        second: (n,) in the same order of pairs.
        scale: Means, differences and intervals of ``"log"`` come back as geometric means and ratios.
        rope: Half-width of the region of practical equivalence.
    """
    differences = first - second
    row: dict[str, Any] = dict.fromkeys(_COMPARED, math.nan)
    row.update(n=len(differences), scale=scale, rope=rope, meaningful=False)
    if not differences.size:
        return row
    flips = SignFlips(differences)
    zero = flips.test()
    native = math.exp if scale == "log" else float
    low, high = paired_t_interval(differences)
    probability, probability_low, probability_high = probability_of_superiority(differences)
    wins, losses = int(np.sum(differences > 0)), int(np.sum(differences < 0))
    row.update(
        triplet=native(float(first.mean())),
        contrastive=native(float(second.mean())),
        difference=native(float(differences.mean())),
        ci_low=native(low) if np.isfinite(low) else math.nan,
        ci_high=native(high) if np.isfinite(high) else math.nan,
        p_value=zero.two_sided,
        p_greater=zero.greater,
        p_less=zero.less,
        p_minimum_effect=flips.minimum_effect_p(rope),
        p_above=flips.test(rope).greater,
        p_below=flips.test(-rope).less,
        p_equivalence=flips.equivalence_p(rope),
        effect_size=standardized_mean(differences),
        probability=probability,
        probability_low=probability_low,
        probability_high=probability_high,
        meaningful=_meaningful(probability_low, probability_high),
        wins=wins,
        losses=losses,
        ties=differences.size - wins - losses,
        spread=float(np.std(differences, ddof=1)) if differences.size > 1 else math.nan,
    )
    return row


_COMPARED = (
    *("n", "triplet", "contrastive", "difference", "ci_low", "ci_high", "p_value", "p_greater", "p_less"),
    *("p_minimum_effect", "p_above", "p_below", "p_equivalence", "effect_size", "probability", "probability_low"),
    *("probability_high", "wins", "losses", "ties", "spread"),
)


def _meaningful(low: float, high: float) -> bool:
    """Bouthillier et al. (2021): likely better, and possibly by enough; the same for the other direction."""
    return (low > 0.5 and high > 0.75) or (high < 0.5 and low < 0.25)


def judged(
    table: pd.DataFrame,
    families: list[str],
    arms: Arms = ("triplet", "contrastive"),
    correction: Callable[[Floats], Floats] = holm,
) -> pd.DataFrame:
    """The table with corrected p-values, verdicts, their reasons, and how many more seeds an undecided one would need.

    What is undecided for censoring has no such number: more seeds would be censored as well.

    Args:
        table: Rows of `compared` with ``missing_share``, and ``censored_triplet`` and ``censored_contrastive`` where
            that applies.
        families: Columns within whose values tests are corrected for each other; none for one family of all.
        arms: What the two are called.
        correction: Of one family's p-values of one kind of test.
    """
    table = table.copy()
    groups = [group.index for _, group in table.groupby(families)] if families and len(table) else [table.index]
    for test in TESTS:
        name = corrected_name(test)
        table[name] = np.nan
        for index in groups:
            table.loc[index, name] = correction(table.loc[index, test].to_numpy(float))
    decided = [_judge(row, arms) for row in rows_of(table)]
    table["verdict"] = [verdict for verdict, _ in decided]
    table["reason"] = [reason for _, reason in decided]
    table["more_seeds"] = math.nan
    for index in groups:
        family = table.loc[index]
        tests = int(family["p_value"].notna().sum())
        table.loc[index, "more_seeds"] = [
            more_seeds(row, tests) if row["verdict"] == "undecided" and not _mostly_censored(row) else math.nan
            for row in rows_of(family)
        ]
    return table


def corrected_name(test: str) -> str:
    """The column of a test's corrected p-value."""
    return "p_corrected" if test == "p_value" else f"{test}_corrected"


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries."""
    columns = [table[name].tolist() for name in table.columns]
    return [dict(zip(map(str, table.columns), values, strict=True)) for values in zip(*columns, strict=True)]


_RESULT = frozenset(
    {*_COMPARED, *map(corrected_name, TESTS), "metric", "missing_share", "scale", "rope", "meaningful", "verdict"}
    | {"reason", "more_seeds", "refused", "censored_triplet", "censored_contrastive"}
) - {"triplet", "contrastive"}


def _mostly_censored(row: dict[str, Any]) -> bool:
    return bool(row.get("censored_triplet", 0) > 0.5 and row.get("censored_contrastive", 0) > 0.5)


def _judge(row: dict[str, Any], arms: Arms) -> tuple[str, str]:
    if isinstance(row.get("refused"), str) and row["refused"]:
        return "insufficient", row["refused"]
    if row["n"] < LEAST_SEEDS:
        return "insufficient", f"{row['n']} complete seeds; at least {LEAST_SEEDS} are needed"
    if row["missing_share"] > MOST_MISSING:
        return "insufficient", f"{row['missing_share']:.0%} of the pairs are missing"
    if _mostly_censored(row):
        return "undecided", "over half the runs of both losses never got there"
    unchanged = 1.0 if row["scale"] == "log" else 0.0
    side = arms[0] if row["difference"] > unchanged else arms[1]
    if row["p_minimum_effect_corrected"] <= ALPHA:
        return side, "larger than the region of practical equivalence"
    if row["p_equivalence_corrected"] <= ALPHA:
        beside = "; not zero" if row["p_corrected"] <= ALPHA else ""
        return "equivalent", f"within the region of practical equivalence{beside}"
    if row["p_corrected"] <= ALPHA:
        return f"{side}, small", "not zero, but not shown to exceed the region of practical equivalence"
    return "undecided", "no test rejects"
