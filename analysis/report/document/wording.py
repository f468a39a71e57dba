"""The sentences of a report, made from what was run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.comparison.judgement import MOST_MISSING
from analysis.comparison.result import MOST_SKEWED, Result
from analysis.comparison.settings import longest_runs
from analysis.conclusions.claim_verdicts import ClaimOnDataset, ClaimVerdict, JudgedClaim
from analysis.conclusions.claims_file import Claim
from analysis.metrics import ROPE, title_of
from analysis.report.arms import arm_styles
from analysis.report.document.tables import beside_text, reported_text
from analysis.report.findings import Findings
from analysis.report.formatting import (
    deciding_p_text,
    difference_text,
    each_dataset,
    interval_text,
    own_regions_text,
)
from analysis.statistics.power import ALPHA, LEAST_SEEDS
from analysis.statistics.sign_flips import EXACT_UP_TO, FLIPS


@dataclass(frozen=True)
class Headline:
    """What to do on one dataset, and what that rests on; the latter is empty where there is no verdict."""

    answer: str
    evidence: str = ""


@dataclass(frozen=True)
class AnswerOnDataset:
    """What a study says of a claim on one dataset.

    Attributes:
        dataset: Its name.
        verdict: On the claim.
        ours: The study's difference with its interval.
        evidence: Number of seeds and the p-value that decides.
        reported: The source's figure there, and how ours compares; empty where it has none.
        beside: The verdicts at the places that do not decide.
    """

    dataset: str
    verdict: ClaimVerdict
    ours: str
    evidence: str
    reported: str
    beside: str


@dataclass(frozen=True)
class Answer:
    """What a study says of a claim.

    Attributes:
        statement: The claim.
        metric: What decides it, as people read it.
        verdict: Overall.
        reason: Why it is that.
        detail: The datasets in words.
        estimand: What it is judged by.
        datasets: One each.
        elsewhere: The source's figures for datasets that this study does not have, in words; empty where none.
    """

    statement: str
    metric: str
    verdict: ClaimVerdict
    reason: str
    detail: str
    estimand: str
    datasets: tuple[AnswerOnDataset, ...]
    elsewhere: str

    @property
    def said(self) -> str:
        """The verdict; where it is two-sided, on which side it is what."""
        return f"{self.verdict}: {self.reason}" if self.verdict in ("mixed", "depends on the margin") else self.verdict


def answers(findings: Findings) -> list[Answer]:
    """What the study says of each claim, overall and on each dataset."""
    datasets = set(findings.stored.runs["dataset"])
    return [_answer(judged, datasets) for judged in findings.claims]


def _answer(judged: JudgedClaim, datasets: set[str]) -> Answer:
    claim, rows = judged.claim, judged.on_datasets
    counts = Counter(row.verdict for row in rows).most_common()
    words = ", ".join(f"{verdict} on {count}" for verdict, count in counts)
    named = "; ".join(f"{row.result.dataset} {_difference(row.result)}" for row in rows)
    return Answer(
        statement=claim.statement,
        metric=title_of(claim.metric),
        verdict=judged.verdict,
        reason=judged.reason,
        detail=f"{words} of {len(rows)} datasets ({named})" if rows else "not measured",
        estimand=claim.decided_at,
        datasets=tuple(map(_answer_on, rows)),
        elsewhere=_elsewhere(claim, datasets),
    )


def _answer_on(on: ClaimOnDataset) -> AnswerOnDataset:
    result = on.result
    return AnswerOnDataset(
        dataset=str(result.dataset),
        verdict=on.verdict,
        ours=f"{_difference(result)} {interval_text(result)}" if result.n else "not measured",
        evidence=_evidence(on),
        reported=reported_text(on),
        beside=beside_text(on),
    )


def _evidence(on: ClaimOnDataset) -> str:
    result = on.result
    if on.verdict in ("insufficient", "depends on the margin"):
        return on.reason
    test = result.judged.test
    shown = deciding_p_text(result.p_deciding, test) if test else deciding_p_text(result.p_corrected, "d = 0")
    return f"n = {result.n}, p = {shown}"


def _elsewhere(claim: Claim, datasets: set[str]) -> str:
    """A claim's figures for datasets that are not among these."""
    figures = [figure for figure in claim.reported if figure.dataset is not None and figure.dataset not in datasets]
    arms = claim.reported_arms
    return ", ".join(
        f"{difference_text(figure.difference(arms, claim.scale), claim.scale)} on {figure.dataset}"
        for figure in figures
    )


def _difference(result: Result) -> str:
    return difference_text(result.difference, result.scale)


def tuning_lines(findings: Findings) -> list[str]:
    """How often the seeds chose each setting, on each dataset; from where to where where each drew its own."""
    lines = []
    for comparison in findings.comparisons:
        tuned, seeds = comparison.tuned, len(comparison.seeds)
        for arm in comparison.arms if len(tuned.runs) else ():
            if tuned.drawn:
                chosen = str(tuned.chosen_range(arm))
            else:
                chosen = "; ".join(f"{condition} ({count})" for condition, count in tuned.counts(arm))
            ends = "".join(f"; {edge.note}" for edge in comparison.edges if edge.arm == arm and not edge.rises)
            by = f"that each of {seeds} seeds drew" if tuned.drawn else f"by {seeds} seeds"
            out_of = f"out of {tuned.budget} settings {by}"
            lines.append(f"{comparison.label}, {arm}, {out_of}: {chosen}{ends}")
    return lines


def decay_lines(results: Sequence[Result]) -> list[str]:
    """Wins, ties and censoring of the decay times among some results."""
    return [
        f"{result.dataset}: the {result.first} loss takes longer in {result.wins:.0f} seeds, less in "
        f"{result.losses:.0f}, as long in {result.ties:.0f}; censored at the last epoch: {result.censored_first:.0%} "
        f"of its runs, {result.censored_second:.0%} of the {result.second} loss's"
        for result in results
        if result.metric == "loss_decay_epochs" and result.n
    ]


def units_text(findings: Findings) -> str:
    """The units of the tables, and what a verdict and a p-value in them mean."""
    if len(findings.arms) < 2:
        return ""
    own = own_regions_text(findings.metrics)
    regions = f" Regions of practical equivalence set for this report: {own}." if own else ""
    return (
        f"Differences are {minus_text(findings)}: percentage points (pt), ratios (x), or epochs (ep). For mechanism "
        "metrics a verdict names the loss with the higher value, not the better one. The p that decides is that of the "
        "test behind the verdict (effect: beyond the region of practical equivalence; equivalence: within it; d = 0), "
        f"after the same correction.{regions} A verdict is marked as skewed where the skewness of its differences is "
        f"beyond \u00b1{MOST_SKEWED:g}: the test takes them for symmetric, and its p-value may be too small."
        f"{margins_text(findings, ' The margins of the losses are not on one scale.')}"
    )


def minus_text(findings: Findings) -> str:
    """What is subtracted from what."""
    pair = findings.pair
    return f"{pair.first} minus {pair.second}" if pair else "the first arm minus the second"


def margins_text(findings: Findings, otherwise: str) -> str:
    """A sentence for studies whose arms' margins are not on one scale; empty for others."""
    scales = {style.margin_on for style in arm_styles(findings.arms).values()} - {""}
    return otherwise if len(scales) > 1 else ""


def methods(findings: Findings) -> list[str]:
    """How the verdicts were reached, in paragraphs."""
    counts = {dataset: int(runs["seed"].nunique()) for dataset, runs in findings.datasets.items()}
    most = max(counts.values(), default=0)
    runs = sum(len(longest_runs(own)) for own in findings.datasets.values())
    seeds = each_dataset({dataset: str(count) for dataset, count in counts.items()})
    exact = (
        "all sign patterns" if most <= EXACT_UP_TO else f"exact up to {EXACT_UP_TO} seeds, else {FLIPS:,} seeded flips"
    )
    share, own = 100 * ROPE["share"], own_regions_text(findings.metrics)
    instead = f"; set for this report instead: {own}" if own else ""
    distances = [style.distances for style in arm_styles(findings.arms).values() if style.distances]
    used = f"; {', '.join(distances)}" if distances else ""
    return [
        f"{runs:,} runs; seeds of each dataset: {seeds}. One seed gives all losses the same "
        "data, split, initial weights, batch order and augmentation, so differences are paired. Only seeds count as "
        f"replicates, not conditions or epochs. Distances are Euclidean{used}"
        f"{margins_text(findings, ', so their margins are not on one scale')}. "
        "A miner's margin window is on the scale of the loss that uses it. "
        "Losses, active ratios and gradients are means over all candidates. Variances and the gradient norm are "
        "compared by their logarithms.",
        "Tuned: for every seed each loss has the setting (miner, margin, learning rate) with the best validation MAP@R "
        "of that seed at the last epoch, out of equally many settings; a diverged one is the worst. The verdict is "
        "read of the test scores of these runs. All seeds count, so the noise of tuning is inside the interval. Grid "
        "average: within each seed a metric is averaged over each loss's own settings, with the miners that both have. "
        "Default setting: both losses with what is used where nothing is tuned. The three are never merged. Claims are "
        "tested at all three; where two name opposite losses a claim depends on the margin, otherwise the default "
        "setting decides what a loss does, and the tuned settings how well.",
        "A loss still rises where its best margin or learning rate is the last of its range and exceeds the next one "
        "inward (one-sided paired t test on validation data, Bonferroni over all ends). Tuned verdicts that a wider "
        "range could turn are then insufficient. The budget curve is the tuned difference for the best of k settings "
        "in random order; its interval at one k is a paired t interval, its band over all k at once comes from the "
        "Gaussian kinematic formula of t processes.",
        f"Tests flip the signs of the paired differences ({exact}): against zero, against the region of practical "
        f"equivalence, and for equivalence within it. That region is \u00b1{share:g} percentage point for shares, a "
        f"factor of {math.exp(ROPE['log']):.2g} for ratios and {ROPE['epochs']:g} epoch for decay times{instead}. "
        "Intervals are 95% paired t intervals. Holm's correction runs within each estimand, family (primary, "
        f"mechanism, secondary) and kind of test, at {ALPHA:g}. A seed with a missing or diverged run is dropped "
        f"whole; fewer than {LEAST_SEEDS} seeds, or over {MOST_MISSING:.0%} dropped, give no verdict. Decay times are "
        "censored at the last epoch.",
        "Overall verdicts need more than half of the datasets to show a direction (partial conjunction of Benjamini "
        f"and Heller, Bonferroni's form, {ALPHA / 2:g} for each direction) and none to show the other. Slices are "
        "exploratory and corrected by Benjamini and Hochberg over all of them. How many more seeds an undecided "
        "verdict would need follows from the observed mean and spread by the normal approximation, for a power of 80%.",
        "All rules, with the reason and the source of each and the test that holds it, stand in `analysis/PROTOCOL.md` "
        "of the project. Normalised variances are those of embeddings of length 1; the variance ratio is the "
        "intra-class over the inter-class variance. Active negatives are the share of negative terms that are not "
        "zero, anchors with active negatives that of anchors with one; active terms and active anchors count positive "
        "pairs too. The loss decay time is the epochs until the loss is a tenth of the untrained network's. In "
        "class-disjoint splits, accuracies are among the test classes themselves.",
    ]
