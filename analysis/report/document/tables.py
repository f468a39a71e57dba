"""Tables for people: verdicts, claims and slices as rows of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.comparison.arms import ArmPair
from analysis.comparison.result import Result
from analysis.conclusions.claim_verdicts import OVERALL, ClaimOnDataset, JudgedClaim
from analysis.conclusions.overall import OverallResult
from analysis.conclusions.slices import SliceResult
from analysis.conclusions.verdict_table import RopeSensitivity
from analysis.metrics import METRICS, title_of
from analysis.report.document.text_table import Badge, Cell, TextTable, result_badge, verdict_badge
from analysis.report.formatting import (
    deciding_p_text,
    difference_text,
    interval_text,
    mean_text,
    more_seeds_text,
    p_text,
    range_text,
)

P_ZERO, P_DECIDES = "p (d = 0, Holm)", "p that decides"
VERDICT = "verdict"
_MINER = "miner="  # begins the name of a slice of one miner
_NAMES = frozenset({"dataset", "metric", "estimand", "first", "second"})


def sole_pair(results: Sequence[Result] | Sequence[OverallResult]) -> ArmPair | None:
    """The pair of arms of some results; None if they have several."""
    pairs = {result.arms for result in results}
    return next(iter(pairs)) if len(pairs) == 1 else None


def _arm_headings(arms: ArmPair | None) -> tuple[tuple[str, ...], ArmPair]:
    """Headings of the columns that name the arms (none for a single pair), and of each arm's own column."""
    return ((), arms) if arms else (("first", "second"), ArmPair("mean of first", "mean of second"))


def _arm_cells(arms: ArmPair | None, result: Result | OverallResult) -> tuple[str, ...]:
    return () if arms else tuple(result.arms)


def _about(results: Sequence[Result]) -> dict[str, str]:
    """The estimand of some results, if they have one in common."""
    estimands = {result.estimand for result in results} - {None}
    return {"estimand": str(estimands.pop())} if len(estimands) == 1 else {}


def verdict_rows(results: Sequence[Result]) -> TextTable:
    """The verdicts: shares in percent and points, ratios with a multiplication sign, epochs as they are.

    Several estimands have a column.
    """
    arms = sole_pair(results)
    names, means = _arm_headings(arms)
    places = ("estimand",) if len({result.estimand for result in results}) > 1 else ()
    headings = (
        "dataset",
        "metric",
        *places,
        *names,
        "n",
        *means,
        "difference",
        "95% interval",
        P_ZERO,
        P_DECIDES,
        VERDICT,
    )
    rows: list[tuple[Cell, ...]] = [
        (
            str(result.dataset),
            title_of(result.metric),
            *(str(result.estimand) for _ in places),
            *_arm_cells(arms, result),
            str(result.n),
            mean_text(result.first_mean, result.scale),
            mean_text(result.second_mean, result.scale),
            difference_text(result.difference, result.scale),
            interval_text(result),
            p_text(result.p_corrected),
            deciding_p_text(result.p_deciding, result.judged.test),
            result_badge(result),
        )
        for result in results
    ]
    return TextTable(headings, _NAMES | {VERDICT}, rows, VERDICT, about=_about(results))


def evidence_rows(results: Sequence[Result]) -> TextTable:
    """Effects, and the corrected p-values that decide: minimum effect, equivalence, difference from zero."""
    arms = sole_pair(results)
    names, _ = _arm_headings(arms)
    first, second = arms or ("first", "second")
    chance = f"P({first} > {second})"
    tests = ("p effect (Holm)", "p equivalence (Holm)", P_ZERO)
    headings = ("dataset", "metric", *names, "d_z", chance, "meaningful", "skewness", *tests, "more seeds to decide")
    rows: list[tuple[Cell, ...]] = [
        (
            str(result.dataset),
            title_of(result.metric),
            *_arm_cells(arms, result),
            "-" if math.isnan(result.effect_size) else f"{result.effect_size:.2f}",
            f"{result.probability:.2f} [{result.probability_low:.2f}, {result.probability_high:.2f}]",
            "yes" if result.meaningful else "no",
            "-" if math.isnan(result.skewness) else f"{result.skewness:.1f}",
            p_text(result.p_minimum_effect_corrected),
            p_text(result.p_equivalence_corrected),
            p_text(result.p_corrected),
            more_seeds_text(result.more_seeds),
        )
        for result in results
        if result.n and not result.is_shown
    ]
    return TextTable(headings, _NAMES | {"meaningful"}, rows, about=_about(results))


def claim_rows(judged: Sequence[JudgedClaim]) -> TextTable:
    """Claims by dataset at the place that decides, the source's figure beside ours; then the other places, or why."""
    numbers = ("n", "difference", "95% interval", P_DECIDES, "reported")
    headings = ("claim", "dataset", "verdict", *numbers, "decided, and at the other places")
    rows: list[tuple[Cell, ...]] = []
    for one in judged:
        for on in one.on_datasets:
            result = on.result
            rows.append(
                (
                    one.claim.name,
                    str(result.dataset),
                    Badge(on.verdict, on.verdict),
                    str(result.n),
                    difference_text(result.difference, result.scale),
                    interval_text(result),
                    deciding_p_text(result.p_deciding, result.judged.test),
                    reported_text(on) or "-",
                    _places_text(on) or on.reason,
                )
            )
        rows.append((one.claim.name, OVERALL, Badge(one.verdict, one.verdict), *[""] * len(numbers), one.reason))
    words = frozenset({"claim", "dataset", "verdict", headings[-1]})
    return TextTable(headings, words, rows, prose=headings[-1])


def beside_text(on: ClaimOnDataset) -> str:
    """The verdicts at the places that do not decide; empty where these are part of the claim's own verdict."""
    if on.verdict in ("depends on the margin", "insufficient"):
        return ""
    return "; ".join(f"{place}: {said}" for place, said in on.places.items() if place != on.result.estimand)


def _places_text(on: ClaimOnDataset) -> str:
    beside = beside_text(on)
    return f"{on.result.estimand} decides; {beside}" if beside else ""


def reported_text(on: ClaimOnDataset) -> str:
    """What a claim's source reports on a dataset: its difference, or that it tried the dataset; empty if neither.

    Beside a supported claim it says how the study's size compares with the reported one.
    """
    if not math.isnan(on.reported):
        figure = difference_text(on.reported, on.result.scale)
        return f"{figure}, ours is {on.size}" if on.size else figure
    return "tried, no figure" if on.in_source else ""


def overall_rows(overall: Sequence[OverallResult], results: Sequence[Result]) -> TextTable:
    """Overall verdicts by estimand and metric.

    Args:
        overall: What is shown.
        results: What it rests on.
    """
    arms = sole_pair(overall)
    names, _ = _arm_headings(arms)
    first, second = arms or ("first", "second")
    p_values = (f"p {first}", f"p {second}", "p equivalent")
    headings = ("estimand", "metric", *names, "datasets", "n", *p_values, P_DECIDES, "overall")
    rows: list[tuple[Cell, ...]] = []
    for one in overall:
        kind = (one.estimand, one.metric, one.arms)
        counts = [result.n for result in results if (result.estimand, result.metric, result.arms) == kind]
        about = (str(one.estimand), title_of(one.metric), *_arm_cells(arms, one), str(one.datasets), range_text(counts))
        shown = tuple(map(p_text, (one.p_first, one.p_second, one.p_equivalent)))
        rows.append((*about, *shown, deciding_p_text(one.p_deciding, one.verdict.test), verdict_badge(one.verdict)))
    return TextTable(headings, _NAMES | {"estimand", "overall"}, rows)


def sensitivity_rows(sensitivity: Sequence[RopeSensitivity]) -> TextTable:
    """Verdicts by half-width of the region of practical equivalence."""
    ropes = sensitivity[0].verdicts if sensitivity else {}
    headings = ("dataset", "metric", *(f"within {100 * rope:g} pt" for rope in ropes))
    rows: list[tuple[Cell, ...]] = [
        (one.label, title_of(one.metric), *map(verdict_badge, one.verdicts.values())) for one in sensitivity
    ]
    return TextTable(headings, frozenset(headings), rows)


def slice_tables(slices: Sequence[SliceResult]) -> list[tuple[str, TextTable]]:
    """Verdicts on slices, a table with its title for each estimand and kind of metric.

    Each has one row a dataset and slice and one column a metric, few enough of them for a page.
    """
    groups: dict[str, list[SliceResult]] = {}
    for one in slices:
        title = f"{one.result.estimand}, {_KINDS[one.result.metric]}".capitalize()
        groups.setdefault(title, []).append(one)
    return [(title, _slice_table(group)) for title, group in groups.items()]


_KINDS = {
    metric.name: "performance"
    if metric.family != "mechanism"
    else ("variances and gradient" if metric.scale == "log" else "activity and decay")
    for metric in METRICS
}


def _slice_table(slices: Sequence[SliceResult]) -> TextTable:
    arms = sole_pair([one.result for one in slices])
    names, _ = _arm_headings(arms)
    metrics = tuple(dict.fromkeys(one.result.metric for one in slices))
    groups: dict[tuple[str, ...], list[Result]] = {}
    for part, result in slices:
        groups.setdefault((str(result.dataset), *_arm_cells(arms, result), part), []).append(result)
    rows: list[tuple[Cell, ...]] = []
    for about, results in groups.items():
        badges = {result.metric: result_badge(result) for result in results}
        counts = range_text([result.n for result in results])
        rows.append((*about, counts, *(badges.get(metric, "") for metric in metrics)))
    headings = ("dataset", *names, "slice", "n", *map(title_of, metrics))
    marks = [{"miner": about[-1].removeprefix(_MINER)} if about[-1].startswith(_MINER) else {} for about in groups]
    return TextTable(headings, frozenset(headings) - {"n"}, rows, marks=marks)
