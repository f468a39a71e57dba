"""``python -m analysis.report --study NAME``: writes a study's verdicts and the report on them."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.inference import EXACT_UP_TO, FLIPS
from analysis.loading import StudyNotFoundError, load_study
from analysis.metrics import ROPE
from analysis.pairing import CONDITION, LOSSES, settings, unmatched_conditions
from analysis.power import ALPHA, LEAST_SEEDS
from analysis.tables import difference, evidence_table, interval, markdown, markdown_table, p_text, terminal_table
from analysis.verdict_table import MOST_MISSING, rows_of, verdicts

FAMILIES = {
    "primary": "Which loss performs better: MAP@R on test data",
    "mechanism": "What the losses do: variances on test data, dynamics in training",
    "secondary": "Recall@K and accuracies on test data",
}


def report_folder(storage: str | Path, study: str) -> Path:
    """Where a study's report lies."""
    return Path(storage) / study / "report"


def build_report(study: str, storage: str | Path, tracking_uri: str | None = None) -> str:
    """Reads a study, writes its report, and returns what a terminal shows of it: the verdicts and where the rest is.

    Raises:
        StudyNotFoundError: As `load_study` does.
        OSError: If the report cannot be written.
    """
    runs = load_study(study, storage, tracking_uri)
    table = verdicts(runs)
    folder = report_folder(storage, study)
    write_report(study, runs, table, folder)
    return f"{terminal_table(table)}\n\nReport   {folder / 'report.md'}"


def write_report(study: str, runs: pd.DataFrame, table: pd.DataFrame, folder: Path) -> None:
    """Writes ``verdicts.csv``, ``verdicts.json`` and ``report.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "verdicts.csv", table.to_csv(index=False))
    records = [{name: _plain(value) for name, value in row.items()} for row in rows_of(table)]
    content = {"study": study, "provenance": _provenance(runs), "verdicts": records}
    _write(folder / "verdicts.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    _write(folder / "report.md", report_text(study, runs, table))


def report_text(study: str, runs: pd.DataFrame, table: pd.DataFrame) -> str:
    """The report in Markdown: the answer, the tables, what was dropped, the methods, and where it came from."""
    parts = [f"# Contrastive or triplet? Study `{study}`", _answers(table)]
    for family, title in FAMILIES.items():
        rows = table[table["family"] == family]
        if not rows.empty:
            parts += [f"## {title}", markdown_table(rows), evidence_table(rows), *_decay_text(rows)]
    parts += [
        "Differences are triplet minus contrastive: percentage points (pt), ratios (x), or epochs (ep). For mechanism "
        "metrics a verdict names the loss with the higher value, not the better one.",
        "## Runs",
        _runs_text(runs),
        "## Methods",
        _methods(),
        "## Where it came from",
        "\n".join(f"- {name}: {', '.join(values)}" for name, values in _provenance(runs).items()),
    ]
    warnings = [*runs.attrs.get("warnings", []), *_doubts(runs)]
    if warnings:
        parts += ["## Warnings", "\n".join(f"- {warning}" for warning in warnings)]
    return "\n\n".join(parts) + "\n"


def _doubts(runs: pd.DataFrame) -> list[str]:
    """What a reader must know before trusting the tables."""
    doubts = []
    versions = sorted(runs["code_version"].unique())
    if len(versions) > 1:
        doubts.append(f"The runs were trained by different versions of the code: {', '.join(versions)}.")
    for dataset, part in settings(runs).items():
        unmatched = unmatched_conditions(part)
        if unmatched:
            doubts.append(
                f"On {dataset} these conditions exist for one loss only and stay out: {'; '.join(unmatched)}."
            )
    return doubts


def _decay_text(rows: pd.DataFrame) -> list[str]:
    lines = [
        f"- {row['dataset']}: the triplet loss takes longer in {row['wins']:.0f} seeds, less in {row['losses']:.0f}, "
        f"as long in {row['ties']:.0f}; censored at the last epoch: {row['censored_triplet']:.0%} of its runs, "
        f"{row['censored_contrastive']:.0%} of the contrastive loss's"
        for row in rows_of(rows)
        if row["metric"] == "loss_decay_epochs" and row["n"]
    ]
    return ["Epochs until the loss is a tenth of the untrained network's:\n\n" + "\n".join(lines)] if lines else []


def _answers(table: pd.DataFrame) -> str:
    lines = []
    for row in rows_of(table[table["family"] == "primary"]):
        lines.append(f"- **{row['dataset']}: {_sentence(row)}**")
        if row["n"]:
            lines[-1] += (
                f" (MAP@R {difference(row['difference'], row['scale'])}, 95% interval {interval(row)}, "
                f"n = {row['n']} seeds, Holm-corrected p = {p_text(row['p_corrected'])})"
            )
    return "\n".join(lines) or "No dataset has runs of both losses: there is nothing to compare."


def _sentence(row: dict[str, Any]) -> str:
    verdict = row["verdict"]
    if verdict in LOSSES:
        return f"{verdict} retrieves better"
    if verdict.endswith("small"):
        return f"{verdict.split(',')[0]} retrieves a little better"
    if verdict == "equivalent":
        return "the losses are equivalent"
    return "undecided" if verdict == "undecided" else f"no verdict, {row['reason']}"


def _runs_text(runs: pd.DataFrame) -> str:
    lines = []
    for dataset, part in settings(runs).items():
        for loss, rows in part.groupby("loss"):
            conditions, seeds = len(rows[list(CONDITION)].drop_duplicates()), rows["seed"].nunique()
            diverged = f"{rows['diverged'].mean():.1%}"
            lines.append((dataset, str(loss), str(len(rows)), str(conditions), str(seeds), diverged))
    return markdown(("dataset", "loss", "runs", "conditions", "seeds", "diverged"), {0, 1}, lines)


def _methods() -> str:
    return (
        "The estimand is the grid average: within each seed a metric is averaged over the conditions (miner, margin, "
        "learning rate) of each loss, and the seeds are the replicates. One seed gives both losses the same split, "
        "initial weights and batch order, so the datum is the paired difference. Distances are Euclidean; the "
        "contrastive loss uses d^2 for positives and (m - d)^2 for negatives, the triplet loss d^2 for both, so their "
        "margins are not on one scale. Losses and gradients are means over all candidates. Variances and the gradient "
        "norm are compared by their logarithms.\n\n"
        f"Tests flip the signs of the differences (exact up to {EXACT_UP_TO} seeds, else {FLIPS:,} seeded flips), "
        "against zero, against the region of practical equivalence, and for equivalence within it; that region is "
        f"+-{100 * ROPE['share']:g} percentage point for shares, a factor of {math.exp(ROPE['log']):.2g} for ratios "
        f"and {ROPE['epochs']:g} epoch for decay times. Intervals are paired t intervals. Holm's correction runs "
        f"within each table above and each kind of test, at {ALPHA:g}; every test that was made counts. A seed with a "
        f"missing or diverged run is dropped whole; fewer than {LEAST_SEEDS} seeds, or over {MOST_MISSING:.0%} "
        "dropped, give no verdict. Decay times are censored at the last epoch. `variance_ratio` is the intra-class "
        "over the inter-class variance, and `active_anchors` the share of anchors with an active term. The p-value "
        "beside a verdict is that against zero; the next table has those that decide."
    )


def _provenance(runs: pd.DataFrame) -> dict[str, list[str]]:
    digests = runs[["dataset", "data_digest"]].drop_duplicates().sort_values(["dataset", "data_digest"])
    return {
        "code version": sorted(runs["code_version"].unique()),
        "data digest": [f"{row.dataset} {row.data_digest}" for row in digests.itertuples()],
    }


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuilds a study's report and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m analysis.report", description="Rebuilds the report of a study.")
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--storage", type=Path, default=Path("results"), help="folder of the records and the report")
    parser.add_argument("--tracking-uri", help="read the study from this MLflow instead of the records")
    options = parser.parse_args(arguments)
    try:
        shown = build_report(options.study, options.storage, options.tracking_uri)
    except (StudyNotFoundError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
