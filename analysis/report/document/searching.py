"""How the settings of a study were searched, in words, and what a study whose seeds draw their own does not have."""

from __future__ import annotations

import pandas as pd

from analysis.comparison.comparisons import Comparison
from analysis.comparison.settings import exchangeable, halves, is_drawn, longest_runs, search_text
from analysis.parameters import ARM
from analysis.report.findings import Findings


def search_lines(findings: Findings) -> list[str]:
    """How many settings each seed tried of each arm, how, and which are not read; nothing for grids."""
    lines = [
        f"{dataset}, {arm}: {search_text(_read(findings, dataset, own))}"
        for dataset, runs in findings.datasets.items()
        for arm, own in runs.groupby(ARM)
        if is_drawn(own).any()
    ]
    return lines + [_aside_text(comparison) for comparison in findings.comparisons if len(comparison.aside)]


def _read(findings: Findings, dataset: str, own: pd.DataFrame) -> pd.DataFrame:
    """Of some runs of one arm those that a comparison reads; all where it is compared with nothing."""
    read = {
        key
        for comparison in findings.comparisons
        if comparison.dataset == dataset
        for key in comparison.tried["key"].tolist()
    }
    found = own[own["key"].isin(read)]
    return own if found.empty else found


def _aside_text(comparison: Comparison) -> str:
    """What is not read because seeds are not equally far."""
    seeds, parts = len(comparison.seeds), []
    for arm, own in longest_runs(comparison.aside).groupby(ARM):
        counts = own.groupby("seed").size()
        parts.append(f"{arm} up to {counts.max()} settings in {len(counts)} of {seeds} seeds")
    return (
        f"{comparison.label}: rounds that not all seeds have completed for both losses are set aside, in no "
        f"comparison: {', '.join(parts)}"
    )


def absent_text(findings: Findings) -> str:
    """What cannot be told where seeds drew their settings; empty for grids."""
    drawn = [comparison for comparison in findings.comparisons if comparison.tuned.drawn]
    no_grid = [comparison for comparison in drawn if comparison.of_grid().empty]
    not_any = [comparison for comparison in drawn if not exchangeable(comparison.tried)]
    texts = []
    if no_grid:
        texts.append(
            f"No grid average on {_labels(no_grid)}: each seed drew its own settings, so that there is no grid. Curves "
            "over the epochs are those of the runs that the seeds chose."
        )
    if not_any:
        texts.append(
            f"No curve of the tuning effort and no parts of the search on {_labels(not_any)}: a search that learned "
            "from what it had tried, or stopped some of it, would have tried other settings with a smaller budget."
        )
    return " ".join(texts)


def method_text(findings: Findings) -> str:
    """How seeds that draw their settings are compared; empty for grids."""
    if not any(comparison.tuned.drawn for comparison in findings.comparisons):
        return ""
    halved = (
        " Successive halving stopped settings at early epochs by their validation MAP@R there, each seed's among its "
        "own. Such runs enter no verdict; the budget counts them. There a loss still rises in the last fifth if most "
        "seeds chose there, and more than its share of the settings lets expect (one-sided binomial test, corrected "
        "likewise)."
        if any(halves(runs) for runs in findings.datasets.values())
        else ""
    )
    return (
        "Searched: each seed drew its own settings, equally many for each loss, and chose among them. Levels of what "
        "was drawn from a range are its fifths on a log scale, from the least to the largest value drawn: a loss still "
        f"rises where its best fifth is the last one.{halved}"
    )


def _labels(compared: list[Comparison]) -> str:
    return " and ".join(comparison.label for comparison in compared)
