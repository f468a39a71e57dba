"""Captions of tables and figures: the number of seeds, the tests, and the data."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.comparison.pairing import DEFAULT_SETTING
from analysis.comparison.result import Result
from analysis.metrics import PERFORMANCE, TUNED, with_own_rope
from analysis.report.arms import arm_styles
from analysis.report.document.wording import margins_text, minus_text
from analysis.report.figures.panels import Panel
from analysis.report.findings import Findings
from analysis.report.formatting import each_dataset, own_regions_text, range_text
from analysis.statistics.power import ALPHA
from analysis.store.stored_runs import UNKNOWN_TEST_PART

_DIGEST = 8  # characters of a digest in a caption; all of them stand at the end of the report
_FIGURES = {
    "Effects": "Dots are mean paired differences with their 95% t intervals; the grey band is the region of practical "
    "equivalence. Filled and coloured: a verdict names that loss.",
    "Dynamics over the epochs": "Mean over seeds (conditions averaged within each; geometric on logarithmic axes "
    "where no seed is at zero) and 95% t band.",
    "Variance over the epochs": "On test data; mean over seeds (conditions averaged within each; geometric on "
    "logarithmic axes) and 95% t band, or bars where few epochs were measured.",
    "Margins": "MAP@R and every mechanism metric at each margin of a loss: mean over seeds (other conditions averaged "
    "within each; geometric means on logarithmic axes) and 95% t band. The paper (arXiv 2510.02161) fixed the margin "
    "at 1.0.",
    "Decay": "Kaplan-Meier: the share of runs whose loss has not yet fallen to a tenth of the untrained network's.",
    "Tuning effort": "The best of so many settings by validation score, drawn at random of those tried: what it is "
    "expected to score on test data, and the difference of the losses, paired by seed. Mean over seeds; the darker "
    "band is the 95% t interval at each number of settings, the lighter one the 95% band that holds for all numbers at "
    "once, of each curve by itself. The grey band is the region of practical equivalence.",
    "Importance of hyperparameters": "Exploratory. How much of the variance of the validation MAP@R over each seed's "
    "settings follows one hyperparameter alone, all others averaged out (fANOVA): mean over seeds and 95% t interval. "
    "What is missing to 100% follows several together, or is chance. Where settings hardly differ all of it is chance, "
    "which is shared out likewise.",
    "Margin and learning rate": "Exploratory. MAP@R on validation data at each margin with each learning rate: the "
    "mean over seeds of runs that were trained to the end, other hyperparameters averaged within each; a diverged run "
    "counts as 0. The losses share one scale of colours on each dataset.",
    "Embeddings": "Test samples of one seed's runs with the setting that tuning chose for each loss, on their first "
    "two principal components; up to ten classes, one colour each.",
}
_BY_MARGIN = ("Margins", "Margin and learning rate")

_TEST_PARTS = {
    "shared": "On {} all seeds share the official test set: the verdict is on that test set.",
    "drawn": "On {} each seed draws its own test part: the verdict does not hang on one draw.",
    UNKNOWN_TEST_PART: "Older records do not say whether the seeds share one test set: {}.",
}


def figures_caption(section: str, panels: Sequence[Panel], findings: Findings) -> str:
    """What the figures of a section show, on how many seeds, and from which data."""
    by_dataset: dict[str, list[str]] = {}
    for panel in panels:
        known = by_dataset.setdefault(panel.dataset, [])
        known += [panel.n] if panel.n not in known else []
    counts = {
        dataset: "; ".join(text for text in texts if not any(text in other for other in texts if other != text))
        for dataset, texts in by_dataset.items()
    }
    shown = _FIGURES[section] + (_margin_scales(findings) if section in _BY_MARGIN else "")
    if section == "Effects" and with_own_rope(findings.metrics):
        shown += " Each row has the band of its own metric."
    return f"{shown} n: {each_dataset(counts)}. {origin(findings)}"


def _margin_scales(findings: Findings) -> str:
    known = {arm: style.margin_on for arm, style in arm_styles(findings.arms).items() if style.margin_on}
    scales = ", ".join(f"{arm}'s is on {margin_on}" for arm, margin_on in known.items())
    return margins_text(findings, f" The losses' margins are not on one scale, so each has its axis: {scales}.")


def origin(findings: Findings) -> str:
    """The study and the digests of its data, in short."""
    digests = {
        dataset: ", ".join(sorted({digest[:_DIGEST] for digest in runs["data_digest"]}))
        for dataset, runs in findings.datasets.items()
    }
    data = ", ".join(f"{dataset} {digest}" for dataset, digest in digests.items())
    return f"From study {findings.study}, data {data}."


def claims_caption(findings: Findings) -> str:
    """What the figures beside the claims are, ours and the source's."""
    if len(findings.arms) < 2:
        return f"One loss alone decides no claim. {origin(findings)}"
    return (
        f"On each dataset: {minus_text(findings)} (pt: percentage points, x: ratio, ep: epochs), its 95% paired t "
        "interval, n in seeds, and the p-value of the sign-flip test behind the verdict, at the place that decides; "
        f"below it what {findings.claimant} reports, and the verdicts at the other places. The places are the default "
        f"setting ({DEFAULT_SETTING}), the tuned settings and the grid average; Holm's method corrects over all "
        "places, datasets and claims of one family. Where two places name different losses, the claim depends on the "
        f"margin. The verdict on top is that over all datasets. {origin(findings)}"
    )


def verdicts_caption(results: Sequence[Result]) -> str:
    """Which tests stand behind a section's verdicts, and how they are corrected."""
    tests = sum(not math.isnan(result.p_corrected) for result in results)
    read = " Variances are of test data, all else of training." if results[0].family == "mechanism" else ""
    shown = (
        " Metrics without a verdict are shown for what they tell." if any(result.is_shown for result in results) else ""
    )
    return (
        f"Sign-flip tests of the paired differences over n seeds; 95% paired t intervals; each kind of test corrected "
        f"by Holm's method over {tests} comparisons.{read}{shown}"
    )


def tested_data_caption(findings: Findings) -> str:
    """On which test data the verdicts are: one test set of all seeds, or a test part of each seed's own."""
    parts: dict[str, list[str]] = {}
    for dataset, runs in findings.datasets.items():
        for part in sorted(runs["test_part"].unique()):
            parts.setdefault(part, []).append(dataset)
    return " ".join(said.format(", ".join(parts[part])) for part, said in _TEST_PARTS.items() if part in parts)


def overall_caption(findings: Findings) -> str:
    """Which test the overall verdicts are made by, and what it is corrected for."""
    first, second = findings.pair or ("first", "second")
    return (
        "Partial conjunction (Benjamini and Heller, Bonferroni's form) of the datasets' sign-flip tests: a direction "
        f"must show on more than half of the datasets, at {ALPHA / 2:g} for either loss, and on none the other way. "
        f"p {first} and p {second} are of the minimum-effect tests, p equivalent of the equivalence tests; a "
        "small difference rests on those against zero. They are corrected over the datasets, "
        f"not over the metrics. n is the seeds of each dataset. {origin(findings)}"
    )


def sensitivity_caption(findings: Findings) -> str:
    """On what the verdicts at other half-widths rest."""
    counts: dict[str, list[int]] = {}
    for result in findings.results:
        if result.estimand == TUNED:
            counts.setdefault(str(result.dataset), []).append(result.n)
    seeds = each_dataset({dataset: range_text(numbers) for dataset, numbers in counts.items()})
    own = own_regions_text(metric for metric in findings.metrics if metric.family in PERFORMANCE)
    instead = f", but for those set for this report: {own}" if own else ""
    return (
        "The tuned comparisons above, judged with other half-widths of the region of practical equivalence: the same "
        f"seeds (n = {seeds}), sign-flip tests, Holm's correction within each family at {ALPHA:g}. "
        f"The verdicts above use 1 pt{instead}. {origin(findings)}"
    )


def slices_caption(findings: Findings) -> str:
    """On what the exploratory verdicts rest."""
    tests = sum(not math.isnan(one.result.p_value) for one in findings.slices)
    drawn = (
        " Of what seeds drew from a range no level is left out; a seed counts where it drew as many settings of the "
        "part for both losses."
        if any(comparison.tuned.drawn for comparison in findings.comparisons)
        else ""
    )
    return (
        f"By miner, and leaving out each level of the grid in turn.{drawn} Sign-flip tests over n seeds, each kind "
        f"corrected by Benjamini and Hochberg's method over all {tests} comparisons at {ALPHA:g}. Differences, "
        f"intervals and p-values are in slices.csv. Test what they suggest in a new study. {origin(findings)}"
    )
