"""The sentences of a report, generated from what was run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.captions import each
from analysis.claims import Claim
from analysis.comparison import MOST_MISSING, rows_of
from analysis.findings import Findings
from analysis.inference import EXACT_UP_TO, FLIPS
from analysis.metrics import METRICS, ROPE
from analysis.pairing import CONDITION, FIXED, LOSSES, settings
from analysis.power import ALPHA, LEAST_SEEDS
from analysis.tables import deciding_p, difference, interval, p_text, reported_text
from analysis.verdict_table import TUNED

FAMILIES = {
    "primary": "Which loss performs better: MAP@R on test data",
    "mechanism": "What the losses do: variances on test data, dynamics in training",
    "secondary": "Recall@K and accuracies on test data",
}
UNITS = (
    "Differences are triplet minus contrastive: percentage points (pt), ratios (x), or epochs (ep). For mechanism "
    "metrics a verdict names the loss with the higher value, not the better one. The p that decides is that of the "
    "test behind the verdict (effect: beyond the region of practical equivalence; equivalence: within it; d = 0), "
    "after the same correction. The margins of the two losses are not on one scale."
)


_TESTS = {
    "effect": "for more than practical equivalence",
    "equivalence": "for equivalence",
    "d = 0": "against zero",
    "": "against zero",
}


@dataclass(frozen=True)
class OnDataset:
    """What a study says of a claim on one dataset.

    Attributes:
        dataset: Its name.
        verdict: On the claim.
        ours: The study's difference with its interval.
        evidence: Number of seeds and the p-value that decides.
        reported: The source's figure there; empty where it has none.
    """

    dataset: str
    verdict: str
    ours: str
    evidence: str
    reported: str


@dataclass(frozen=True)
class Answer:
    """What a study says of a claim.

    Attributes:
        statement: The claim.
        verdict: Overall.
        detail: The datasets in words.
        estimand: What it is judged by.
        datasets: One each.
        elsewhere: The source's figures for datasets that this study does not have, in words; empty where none.
    """

    statement: str
    verdict: str
    detail: str
    estimand: str
    datasets: tuple[OnDataset, ...]
    elsewhere: str


def answers(findings: Findings) -> list[Answer]:
    """What the study says of each claim, overall and on each dataset."""
    decided = {(r["dataset"], r["metric"], r["estimand"]): deciding_p(r) for r in rows_of(findings.table)}
    elsewhere = {claim.name: _elsewhere(claim, set(findings.runs["dataset"])) for claim in findings.stated}
    lines = []
    for name, rows in findings.claims.groupby("claim", sort=False):
        *datasets, whole = rows_of(rows)
        counts = pd.Series([row["verdict"] for row in datasets], dtype=str).value_counts()
        words = ", ".join(f"{verdict} on {count}" for verdict, count in counts.items())
        named = "; ".join(f"{row['dataset']} {difference(row['difference'], row['scale'])}" for row in datasets)
        detail = f"{words} of {len(datasets)} datasets ({named})" if datasets else "not measured"
        points = tuple(
            OnDataset(
                str(row["dataset"]),
                str(row["verdict"]),
                f"{difference(row['difference'], row['scale'])} {interval(row)}" if row["n"] else "not measured",
                _evidence(row, decided.get((row["dataset"], row["metric"], row["estimand"]), "-")),
                reported_text(row),
            )
            for row in datasets
        )
        about = (str(whole["statement"]), str(whole["verdict"]), detail, str(whole["estimand"]))
        lines.append(Answer(*about, points, elsewhere.get(str(name), "")))
    return lines


def _evidence(row: dict[str, Any], decides: str) -> str:
    if row["verdict"] == "insufficient":
        return str(row["reason"])
    shown = decides if decides != "-" else f"{p_text(row['p_corrected'])} (d = 0)"
    return f"n = {row['n']:.0f}, p = {shown}"


def _elsewhere(claim: Claim, datasets: set[str]) -> str:
    """A claim's figures for datasets that are not among these."""
    scale = next(metric.scale for metric in METRICS if metric.name == claim.metric)
    return ", ".join(
        f"{difference(figure.difference(scale), scale)} on {figure.dataset}"
        for figure in claim.reported
        if figure.dataset is not None and figure.dataset not in datasets
    )


def headline(findings: Findings) -> list[str]:
    """One sentence a dataset: which loss retrieves better, each tuned."""
    lines = []
    rows = findings.table[(findings.table["family"] == "primary") & (findings.table["estimand"] == TUNED)]
    for row in rows_of(rows):
        text = f"{row['dataset']}: {_sentence(row)}"
        if row["n"]:
            text += (
                f" (MAP@R {difference(row['difference'], row['scale'])}, 95% interval {interval(row)}, "
                f"n = {row['n']} seeds, {_headline_p(row)})"
            )
        lines.append(text)
    return lines or ["No dataset has runs of both losses: there is nothing to compare."]


def _headline_p(row: dict[str, Any]) -> str:
    decides, _, test = deciding_p(row).partition(" (")
    shown = decides if test else p_text(row["p_corrected"])
    return f"Holm-corrected p = {shown} of the test {_TESTS[test.rstrip(')')]}"


def _sentence(row: dict[str, Any]) -> str:
    verdict = row["verdict"]
    if verdict in LOSSES:
        return f"{verdict} retrieves better, each loss tuned"
    if verdict.endswith("small"):
        return f"{verdict.split(',')[0]} retrieves a little better, each loss tuned"
    if verdict == "equivalent":
        return "tuned, the losses are equivalent"
    return "undecided, each loss tuned" if verdict == "undecided" else f"no verdict, {row['reason']}"


def tuning_lines(findings: Findings) -> list[str]:
    """What tuning chose on each dataset."""
    rows = findings.table[(findings.table["metric"] == "map_at_r") & (findings.table["estimand"] == TUNED)]
    return [
        f"{row['dataset']}: triplet {row['chosen_triplet']}; contrastive {row['chosen_contrastive']}; "
        f"out of {row['budget']:.0f} settings each"
        for row in rows_of(rows)
        if isinstance(row["chosen_triplet"], str)
    ]


def decay_lines(findings: Findings) -> list[str]:
    """Wins, ties and censoring of the decay times."""
    return [
        f"{row['dataset']}: the triplet loss takes longer in {row['wins']:.0f} seeds, less in {row['losses']:.0f}, "
        f"as long in {row['ties']:.0f}; censored at the last epoch: {row['censored_triplet']:.0%} of its runs, "
        f"{row['censored_contrastive']:.0%} of the contrastive loss's"
        for row in rows_of(findings.table[findings.table["metric"] == "loss_decay_epochs"])
        if row["n"]
    ]


def run_lines(findings: Findings) -> Sequence[tuple[str, ...]]:
    """Dataset, loss, runs, conditions, seeds and share diverged."""
    lines = []
    for dataset, part in settings(findings.runs).items():
        for loss, rows in part.groupby("loss"):
            conditions, seeds = len(rows[list(CONDITION)].drop_duplicates()), rows["seed"].nunique()
            counts = (str(len(rows)), str(conditions), str(seeds), f"{rows['diverged'].mean():.1%}")
            lines.append((dataset, str(loss), *counts))
    return lines


def setting_lines(findings: Findings) -> list[str]:
    """How each dataset was studied: what no run of it varies."""
    lines = []
    for dataset, part in settings(findings.runs).items():
        fixed = ", ".join(f"{name} {part[name].iloc[0]}" for name in FIXED if name != "data_digest")
        grid = ", ".join(f"{name} {', '.join(map(str, sorted(part[name].unique())))}" for name in CONDITION)
        lines.append(f"{dataset}: {fixed}; {grid}")
    return lines


def methods(findings: Findings) -> list[str]:
    """How the verdicts were reached, in paragraphs."""
    counts = {dataset: int(part["seed"].nunique()) for dataset, part in settings(findings.runs).items()}
    most = max(counts.values(), default=0)
    seeds = each({dataset: str(count) for dataset, count in counts.items()})
    confirming = each({name: str(max(count - findings.tuning_seeds, 0)) for name, count in counts.items()})
    exact = (
        "all sign patterns" if most <= EXACT_UP_TO else f"exact up to {EXACT_UP_TO} seeds, else {FLIPS:,} seeded flips"
    )
    share = 100 * ROPE["share"]
    return [
        f"{len(findings.runs):,} runs; seeds of each dataset: {seeds}. One seed gives both losses the same split, "
        "initial weights, batch order and augmentation, so the datum is the paired difference. Conditions and epochs "
        "are no replicates. Distances are Euclidean; the contrastive loss uses d\u00b2 for positives and "
        "(m \u2212 d)\u00b2 for negatives, the triplet loss d\u00b2 for both, so their margins are not on one scale. "
        "Losses, active ratios and gradients are means over all candidates. Variances and the gradient norm are "
        "compared by their logarithms.",
        "Tuned: each loss with the setting (miner, margin, learning rate) of best mean validation MAP@R over the first "
        f"{findings.tuning_seeds} seeds at the last epoch, out of equally many settings; a diverged one is the worst. "
        f"The verdict is read of the test scores of the other seeds: {confirming}. Grid average: within each seed a "
        "metric is averaged over the settings that both losses have. The two are never merged.",
        f"Tests flip the signs of the paired differences ({exact}): against zero, against the region of practical "
        f"equivalence, and for equivalence within it. That region is \u00b1{share:g} percentage point for shares, a "
        f"factor of {math.exp(ROPE['log']):.2g} for ratios and {ROPE['epochs']:g} epoch for decay times. Intervals are "
        "95% paired t intervals. Holm's correction runs within each estimand, family (primary, mechanism, secondary) "
        f"and kind of test, at {ALPHA:g}. A seed with a missing or diverged run is dropped whole; fewer than "
        f"{LEAST_SEEDS} seeds, or over {MOST_MISSING:.0%} dropped, give no verdict. Decay times are censored at the "
        "last epoch.",
        "Overall verdicts need more than half of the datasets to show a direction (partial conjunction of Benjamini "
        f"and Heller, Bonferroni's form, {ALPHA / 2:g} for each direction) and none to show the other. Slices are "
        "exploratory and corrected by Benjamini and Hochberg over all of them. How many more seeds an undecided "
        "verdict would need follows from the observed mean and spread by the normal approximation, for a power of 80%.",
        "`variance_ratio` is the intra-class over the inter-class variance, `active_anchors` the share of anchors with "
        "an active term; in class-disjoint splits, accuracies are among the test classes themselves.",
    ]
