"""What a study says of claims, on each of its datasets and overall.

A claim is tested at three places: at the default setting, at the tuned settings, and averaged over the grid. Where two
of them name opposite arms, the claim depends on the margin. Otherwise one place decides (`Claim.decided_at`), and the
others stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from analysis.comparison.comparisons import Comparison, comparisons
from analysis.comparison.judgement import judge
from analysis.comparison.result import Result, Verdict
from analysis.conclusions.claims_file import Claim, ClaimsError, check_claims, read_claims
from analysis.conclusions.overall import overall
from analysis.conclusions.verdict_table import PLACES, verdict_results
from analysis.metrics import Estimand, metrics_with
from analysis.parameters import ARM

ClaimVerdict = Literal[
    "supported", "contradicted", "depends on the margin", "mixed", "equivalent", "undecided", "insufficient"
]
Size = Literal["larger", "smaller", "compatible"]
OVERALL = "overall"


@dataclass(frozen=True)
class ClaimOnDataset:
    """What a study says of a claim on one dataset.

    Attributes:
        verdict: On the claim.
        reason: Why it is that.
        result: What decides; its p-values are corrected over all places, datasets and claims of its family.
        places: What the study says at every place that it has.
        reported: The source's difference there; NaN where it reports none.
        in_source: Whether the source tried that dataset.
    """

    verdict: ClaimVerdict
    reason: str
    result: Result
    places: Mapping[Estimand, Verdict]
    reported: float
    in_source: bool

    @property
    def size(self) -> Size | None:
        """How a supported claim's size compares with the reported one, by the interval; None where it cannot."""
        result = self.result
        if self.verdict != "supported" or math.isnan(self.reported) or math.isnan(result.ci_low):
            return None
        if result.ci_low <= self.reported <= result.ci_high:
            return "compatible"
        unchanged = 1.0 if result.scale == "log" else 0.0
        grows = result.difference > unchanged
        return "larger" if (result.ci_low > self.reported) == grows else "smaller"


@dataclass(frozen=True)
class JudgedClaim:
    """What a study says of a claim.

    Attributes:
        claim: The claim.
        verdict: Over all datasets.
        reason: Why it is that.
        on_datasets: On each dataset.
    """

    claim: Claim
    verdict: ClaimVerdict
    reason: str
    on_datasets: tuple[ClaimOnDataset, ...]


def claims(
    runs: pd.DataFrame, stated: Sequence[Claim] | None = None, rope: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """What a study says of claims, on each of its datasets and overall.

    Args:
        runs: A study, as `load_study` gives it.
        stated: The claims; the paper's if not given.
        rope: Regions of practical equivalence of one's own, as `verdicts` takes them.

    Returns:
        One row a claim and dataset, and one with dataset ``overall`` for each claim. ``verdict`` is ``supported``,
        ``contradicted``, ``depends on the margin``, ``mixed`` (overall only), ``equivalent``, ``undecided`` or
        ``insufficient``. ``estimand`` is the place that decides; ``n``, ``difference`` with ``ci_low`` and ``ci_high``
        and ``p_corrected`` are those of the study there (ratios for metrics compared by logarithm). ``at ...`` is the
        verdict at each place. ``reported`` is the source's difference, ``size`` how a supported one compares with it,
        and ``in_source`` whether the source tried that dataset.

    Raises:
        ClaimsError: If a claim of one's own names an arm that the study has no runs of, or does not say against which
            of several arms it is.
        ValueError: If `rope` names what is no metric, or a region is not possible.

    Examples:
        >>> from analysis import load_study
        >>> mine = Claim(name="mine", statement="Triplet retrieves better", metric="map_at_r", direction="triplet")
        >>> claims(load_study("demo"), [mine])[["dataset", "verdict"]].to_records(index=False).tolist()
        [('digits', 'supported'), ('overall', 'supported')]
    """
    if stated is not None and len(runs):
        check_claims(stated, set(runs[ARM]))
    compared = comparisons(runs, metrics_with(rope))
    return claim_table(judge_claims(compared, verdict_results(compared), read_claims() if stated is None else stated))


def judge_claims(
    compared: Sequence[Comparison], results: Sequence[Result], stated: Sequence[Claim]
) -> list[JudgedClaim]:
    """What a study says of claims.

    Args:
        compared: Its comparisons.
        results: Their results, the rows of `verdicts`.
        stated: The claims.

    Raises:
        ClaimsError: If a claim does not say against which of several arms it is.
    """
    recorded = {comparison.dataset: comparison.recorded_dataset for comparison in compared}
    metrics = {claim.metric for claim in stated}
    together = judge([result for result in results if result.metric in metrics], lambda result: result.family)
    return [_judge(claim, together, recorded) for claim in stated]


def _judge(claim: Claim, results: Sequence[Result], recorded: Mapping[str, str]) -> JudgedClaim:
    own = [
        result
        for result in results
        if result.metric == claim.metric and claim.direction in result.arms and claim.against in (None, *result.arms)
    ]
    others = sorted({arm for result in own for arm in result.arms} - {claim.direction})
    if len(others) > 1:
        raise ClaimsError(f"claim {claim.name!r} does not say against which arm it is: {' or '.join(others)}")
    if not own:
        return JudgedClaim(claim, "insufficient", "not measured", ())
    by_dataset: dict[str, dict[Estimand, Result]] = {}
    for result in own:
        if result.estimand is not None:
            by_dataset.setdefault(str(result.dataset), {})[result.estimand] = result
    on_datasets = tuple(_on_dataset(claim, at, recorded[dataset]) for dataset, at in by_dataset.items())
    return JudgedClaim(claim, *_overall(claim, list(by_dataset.values()), on_datasets), on_datasets)


def _on_dataset(claim: Claim, at: Mapping[Estimand, Result], dataset: str) -> ClaimOnDataset:
    """What one dataset says.

    Args:
        claim: The claim.
        at: The result at each place that the study has.
        dataset: Its name, as its source may know it.
    """
    places = {place: at[place].judged for place in PLACES if place in at}
    verdict, reason = _combined(claim, places)
    deciding = at.get(claim.decided_at) or _unmeasured(claim, next(iter(at.values())))
    reported = claim.reported_on(dataset)
    figure = reported.difference(deciding.arms, deciding.scale) if reported else math.nan
    return ClaimOnDataset(verdict, reason, deciding, places, figure, dataset in claim.datasets)


def _unmeasured(claim: Claim, elsewhere: Result) -> Result:
    """The result at a place that the study lacks, from one at another."""
    reason = f"no {PLACES[claim.decided_at]}"
    return Result(
        dataset=elsewhere.dataset,
        metric=elsewhere.metric,
        estimand=claim.decided_at,
        first=elsewhere.first,
        second=elsewhere.second,
        family=elsewhere.family,
        scale=elsewhere.scale,
        rope=elsewhere.rope,
        missing_share=1.0,
        refused=reason,
        verdict=Verdict("insufficient", reason),
    )


def _overall(
    claim: Claim, at: Sequence[Mapping[Estimand, Result]], on_datasets: Sequence[ClaimOnDataset]
) -> tuple[ClaimVerdict, str]:
    """What all datasets say together, and why."""
    dependent = [str(on.result.dataset) for on in on_datasets if on.verdict == "depends on the margin"]
    if dependent:
        return "depends on the margin", f"on {' and '.join(dependent)}"
    results = {place: [of_dataset[place] for of_dataset in at if place in of_dataset] for place in PLACES}
    verdict, reason = _combined(claim, {place: overall(own).verdict for place, own in results.items() if own})
    if verdict != "mixed":
        return verdict, reason
    sides = {
        answer: [str(on.result.dataset) for on in on_datasets if on.verdict == answer]
        for answer in ("supported", "contradicted")
    }
    return "mixed", ", ".join(f"{answer} on {' and '.join(where)}" for answer, where in sides.items())


def _combined(claim: Claim, places: Mapping[Estimand, Verdict]) -> tuple[ClaimVerdict, str]:
    """The verdict of several places, and why."""
    sides: dict[str, list[str]] = {}
    for place, verdict in places.items():
        if verdict.side is not None:
            sides.setdefault(verdict.side, []).append(place)
    if len(sides) > 1:
        return "depends on the margin", "; ".join(f"{arm}: {', '.join(where)}" for arm, where in sides.items())
    if claim.decided_at not in places:
        return "insufficient", f"no {PLACES[claim.decided_at]}"
    verdict = places[claim.decided_at]
    return _of_claim(verdict, claim.direction), verdict.reason


def _of_claim(verdict: Verdict, direction: str) -> ClaimVerdict:
    """What a verdict says of a claim; a small difference in its direction supports it."""
    match verdict.outcome:
        case "named":
            return "supported" if verdict.side == direction else "contradicted"
        case "shown":
            return "insufficient"
        case outcome:
            return outcome


def claim_table(judged: Sequence[JudgedClaim]) -> pd.DataFrame:
    """Judged claims as `claims` gives them."""
    rows: list[dict[str, Any]] = []
    for one in judged:
        claim = one.claim
        about = {"claim": claim.name, "statement": claim.statement, "metric": claim.metric, "scale": claim.scale}
        about.update(estimand=claim.decided_at, direction=claim.direction)
        for on in one.on_datasets:
            ours = {name: getattr(on.result, name) for name in _OF_RESULT}
            beside = {f"at {place}": str(verdict) for place, verdict in on.places.items()}
            said = {"verdict": on.verdict, "reason": on.reason, "reported": on.reported, "size": on.size}
            rows.append({**about, **ours, **beside, **said, "in_source": on.in_source})
        rows.append({**about, "dataset": OVERALL, "verdict": one.verdict, "reason": one.reason, "in_source": False})
    return pd.DataFrame(rows, columns=list(_COLUMNS))


_OF_RESULT = (
    *("dataset", "n", "difference", "ci_low", "ci_high", "p_corrected", "first", "second", "first_mean", "second_mean"),
)
_COLUMNS = (
    *("claim", "statement", "dataset", "verdict", "reason", "n", "difference", "ci_low", "ci_high", "p_corrected"),
    *("reported", "size", *(f"at {place}" for place in PLACES), "in_source", "first", "second"),
    *("first_mean", "second_mean", "metric", "estimand", "direction", "scale"),
)
