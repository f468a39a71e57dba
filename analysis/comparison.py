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
from analysis.pairing import FLOOR
from analysis.power import ALPHA, LEAST_SEEDS, more_seeds

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
            averaged, so that they do not count as replicates.
        metric: Column(s) to compare; their tests are corrected for each other by Holm's method.
        between: Column that tells the arms apart.
        first: The arm whose value is the minuend.
        second: The other one.
        scale: ``"share"`` and ``"epochs"`` compare differences, ``"log"`` the ratios of positive values.
        rope: Half-width of the region of practical equivalence, on the scale of the test (a logarithm for ``"log"``);
            `analysis.metrics.ROPE` if not given.

    Returns:
        One row a metric: ``n``, the mean of each arm, ``difference`` with ``ci_low`` and ``ci_high``, the p-values as
        they are and corrected, effect sizes, ``verdict`` and ``reason``.

    Raises:
        ValueError: If a column is missing, or an arm has no rows.

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
    absent = [name for name in (*pairs, *metrics, between) if name not in frame]
    if absent:
        raise ValueError(f"the table has no column {absent[0]!r}: it has {', '.join(map(str, frame.columns))}")
    for arm in (first, second):
        if not (frame[between] == arm).any():
            arms = ", ".join(map(str, frame[between].unique()))
            raise ValueError(f"no row has {between} = {arm!r}: there are {arms}")
    rows = []
    for name in metrics:
        values = frame[name].astype(float)
        values = values.clip(lower=FLOOR).map(math.log) if scale == "log" else values
        wide = values.groupby([*(frame[column] for column in pairs), frame[between]]).mean().unstack()
        wide = wide.reindex(columns=[first, second])
        complete = wide.dropna()
        row = compared(complete[first].to_numpy(), complete[second].to_numpy(), scale, rope or ROPE[scale])
        row[first], row[second] = row.pop("triplet"), row.pop("contrastive")
        rows.append({"metric": name, "missing_share": 1 - len(complete) / len(wide), **row})
    return judged(pd.DataFrame(rows), [], (first, second))


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
        p_value=flips.test().two_sided,
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
    *("n", "triplet", "contrastive", "difference", "ci_low", "ci_high", "p_value", "p_minimum_effect", "p_above"),
    *("p_below", "p_equivalence", "effect_size", "probability", "probability_low", "probability_high", "wins"),
    *("losses", "ties", "spread"),
)


def _meaningful(low: float, high: float) -> bool:
    """Bouthillier et al. (2021): likely better, and possibly by enough; the same for the other direction."""
    return (low > 0.5 and high > 0.75) or (high < 0.5 and low < 0.25)


def judged(
    table: pd.DataFrame,
    families: list[str],
    arms: tuple[str, str] = ("triplet", "contrastive"),
    correction: Callable[[Floats], Floats] = holm,
) -> pd.DataFrame:
    """The table with corrected p-values, verdicts, their reasons, and the seeds that an undecided one would need.

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
    sizes = table[families].apply(tuple, axis=1).map(table[families].value_counts()) if families else len(table)
    table["more_seeds"] = [
        more_seeds(row, int(size)) if row["verdict"] == "undecided" else math.nan
        for row, size in zip(rows_of(table), np.broadcast_to(sizes, len(table)), strict=True)
    ]
    return table


def corrected_name(test: str) -> str:
    """The column of a test's corrected p-value."""
    return "p_corrected" if test == "p_value" else f"{test}_corrected"


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _judge(row: dict[str, Any], arms: tuple[str, str]) -> tuple[str, str]:
    if isinstance(row.get("refused"), str) and row["refused"]:
        return "insufficient", row["refused"]
    if row["n"] < LEAST_SEEDS:
        return "insufficient", f"{row['n']} complete seeds; at least {LEAST_SEEDS} are needed"
    if row["missing_share"] > MOST_MISSING:
        return "insufficient", f"{row['missing_share']:.0%} of the pairs are missing"
    if row.get("censored_triplet", 0) > 0.5 and row.get("censored_contrastive", 0) > 0.5:
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
