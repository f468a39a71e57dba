"""What stands over the tables and figures of a report: on how many seeds they rest, which tests, and whence."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.figures import Panel
from analysis.findings import Findings
from analysis.pairing import settings
from analysis.power import ALPHA
from analysis.tables import count_text

SENSITIVITY = "Tuned verdicts, were the region of practical equivalence another"
SLICES = "Exploratory: parts of the grid"
_DIGEST = 8  # characters of a digest in a caption; the whole of it stands at the end of the report
_FIGURES = {
    "Effects": "Dots are mean paired differences with their 95% t intervals; the grey band is the region of practical "
    "equivalence. Filled and coloured: a verdict names that loss.",
    "Dynamics over the epochs": "Mean over seeds (conditions averaged within each) and 95% t band.",
    "Variance over the epochs": "On test data; mean over seeds (conditions averaged within each) and 95% t band.",
    "Margins": "Mean over seeds of the test score (other conditions averaged within each) and 95% t band. The paper "
    "fixed the margin at 1.0. The two losses' margins are not on one scale: contrastive's is on the distance d, "
    "triplet's on d\u00b2.",
    "Decay": "Kaplan-Meier: the share of runs whose loss has not yet fallen to a tenth of the untrained network's.",
    "Tuning effort": "Expected best validation score against the number of settings tried, in random order.",
    "Embeddings": "Test samples of one seed's runs with the setting that tuning chose for each loss, on their first "
    "two principal components; up to ten classes, one colour each.",
}


def figures_caption(section: str, panels: Sequence[Panel], findings: Findings) -> str:
    """What a section of figures shows, what it rests on, and of which data."""
    by_dataset: dict[str, list[str]] = {}
    for panel in panels:
        known = by_dataset.setdefault(panel.dataset, [])
        known += [panel.n] if panel.n not in known else []
    counts = {
        dataset: "; ".join(text for text in texts if not any(text in other for other in texts if other != text))
        for dataset, texts in by_dataset.items()
    }
    return f"{_FIGURES[section]} n: {each(counts)}. {origin(findings)}"


def each(texts: dict[str, str]) -> str:
    """One text where all datasets have the same, else each with its dataset."""
    if len(set(texts.values())) <= 1:
        return next(iter(texts.values()), "none")
    return "; ".join(f"{text} ({dataset})" for dataset, text in texts.items())


def origin(findings: Findings) -> str:
    """The study and the digests of its data, in short."""
    digests = {
        dataset: ", ".join(sorted({digest[:_DIGEST] for digest in part["data_digest"]}))
        for dataset, part in settings(findings.runs).items()
    }
    data = ", ".join(f"{dataset} {digest}" for dataset, digest in digests.items())
    return f"From study {findings.study}, data {data}."


def claims_caption(findings: Findings) -> str:
    """What the figures beside the claims are, ours and the source's."""
    return (
        "On each dataset: triplet minus contrastive (pt: percentage points, x: ratio, ep: epochs), its 95% paired t "
        "interval, n in seeds, and the p-value of the sign-flip test behind the verdict, corrected by Holm's method; "
        f"below it what {findings.claimant} reports. The verdict on top is that over all datasets. {origin(findings)}"
    )


def verdicts_caption(rows: pd.DataFrame) -> str:
    """Which tests stand behind a section's verdicts, and how they are corrected."""
    tests = int(rows["p_value"].notna().sum())
    return (
        f"Sign-flip tests of the paired differences over n seeds; 95% paired t intervals; each kind of test corrected "
        f"by Holm's method over the {tests} comparisons of this table."
    )


def overall_caption(findings: Findings) -> str:
    """Which test the overall verdicts are made by, and what it is corrected for."""
    return (
        "Partial conjunction (Benjamini and Heller, Bonferroni's form) of the datasets' sign-flip tests: a direction "
        f"must show on more than half of the datasets, at {ALPHA / 2:g} for either loss, and on none the other way. "
        "p triplet and p contrastive are of the minimum-effect tests, p equivalent of the equivalence tests; a "
        "small difference rests on those against zero. They are corrected over the datasets, "
        f"not over the metrics. n is the seeds of each dataset. {origin(findings)}"
    )


def sensitivity_caption(findings: Findings) -> str:
    """On what the verdicts at other half-widths rest."""
    table = findings.table[findings.table["estimand"] == "tuned"]
    counts = {str(dataset): count_text(part["n"]) for dataset, part in table.groupby("dataset", sort=False)}
    return (
        "The tuned comparisons above, judged with other half-widths of the region of practical equivalence: the same "
        f"seeds (n = {each(counts)}), sign-flip tests, Holm's correction within each family at {ALPHA:g}. "
        f"The verdicts above use 1 pt. {origin(findings)}"
    )


def slices_caption(findings: Findings) -> str:
    """On what the exploratory verdicts rest."""
    tests = int(findings.slices["p_value"].notna().sum()) if "p_value" in findings.slices else 0
    return (
        "By miner, and leaving out each level of the grid in turn. Sign-flip tests over n seeds, each kind corrected "
        f"by Benjamini and Hochberg's method over all {tests} comparisons at {ALPHA:g}. Differences, intervals and "
        f"p-values are in slices.csv. What they suggest wants a study of its own. {origin(findings)}"
    )
