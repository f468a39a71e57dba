from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.captions import claims_caption, overall_caption, sensitivity_caption, slices_caption, verdicts_caption
from analysis.comparison import rows_of
from analysis.findings import find
from analysis.markdown_report import report_text
from analysis.metrics import METRICS
from analysis.report import terminal_text, write_report
from analysis.tables import (
    P_DECIDES,
    VERDICT_HEADINGS,
    claim_rows,
    deciding_p,
    evidence_rows,
    markdown,
    overall_rows,
    slice_tables,
    verdict_rows,
)
from analysis.wording import answers, methods
from tests.analysis.studies import simulated_runs


def test_sentence_3_margins_are_said_not_to_be_on_one_scale_and_no_table_sets_them_side_by_side() -> None:
    runs = simulated_runs(np.random.default_rng(0))
    text = report_text(find("s", runs))
    assert "(m \u2212 d)\u00b2 for negatives, the triplet loss d\u00b2 for both" in text
    assert "margins are not on one scale" in text
    assert "margin" not in VERDICT_HEADINGS


def test_sentence_21_activity_is_read_in_one_common_unit_beside_each_losss_own() -> None:
    assert {"active_anchors", "active_ratio"} <= {metric.name for metric in METRICS}


def test_sentence_22_variances_are_read_raw_normalised_and_as_a_ratio_on_held_out_data() -> None:
    columns = {metric.column for metric in METRICS if "varia" in metric.name}
    assert columns == {
        "test/intra_variance",
        "test/inter_variance",
        "test/intra_variance_normalized",
        "test/inter_variance_normalized",
        "test/variance_ratio",
    }


def test_sentence_24_every_figure_has_n_interval_p_correction_and_origin(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=13, datasets=("a", "b"), effect=0.05)
    findings = find("s", runs)
    for row in verdict_rows(findings.table).rows:
        shown = dict(zip(VERDICT_HEADINGS, row, strict=True))
        assert shown["n"] in ("10", "13")
        assert "-" not in (
            shown["95% interval"],
            shown["p (d = 0, Holm)"],
            shown["p that decides"],
            shown["difference"],
        )
    write_report(findings, [], tmp_path)
    content = json.loads((tmp_path / "verdicts.json").read_text())
    assert content["study"] == "s"
    analysed = content["provenance"].pop("analysed with")
    assert [name.partition(" ")[0] for name in analysed] == ["Python", "numpy", "scipy", "pandas"]
    assert content["provenance"] == {"code version": ["1"], "device": ["cpu"], "data digest": ["a a", "b b"]}
    text = (tmp_path / "report.md").read_text()
    assert "Holm's correction runs within each estimand, family" in text
    assert "data digest: a a, b b" in text


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("triplet", "0.01 (effect)"),
        ("contrastive, small", "0.03 (d = 0)"),
        ("equivalent", "0.02 (equivalence)"),
        ("undecided", "-"),
        ("insufficient", "-"),
    ],
)
def test_sentence_24_the_p_beside_a_verdict_is_of_the_test_that_decided(verdict: str, expected: str) -> None:
    p_values = {"p_minimum_effect_corrected": 0.01, "p_equivalence_corrected": 0.02, "p_corrected": 0.03}
    assert deciding_p({"verdict": verdict, **p_values}) == expected


def test_sentence_24_every_table_and_figure_says_its_seeds_its_correction_and_its_data() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=13, datasets=("a", "b"), effect=0.05)
    findings = find("mine", runs)
    captions = (overall_caption, sensitivity_caption, slices_caption, claims_caption)
    for caption in (write(findings) for write in captions):
        assert caption.endswith("From study mine, data a a, b b.")
    assert "(n = 10)" in sensitivity_caption(findings)
    assert "Holm's method over the 2 comparisons" in verdicts_caption(findings.table.iloc[:2])
    assert "Benjamini and Hochberg's method over all 120 comparisons" in slices_caption(findings)
    rows = [
        dict(zip(table.headings, row, strict=True)) for _, table in slice_tables(findings.slices) for row in table.rows
    ]
    assert {row["n"] for row in rows} == {"10", "13"}
    overall = overall_rows(findings.overall, findings.table)
    for row in overall.rows:
        shown = dict(zip(overall.headings, row, strict=True))
        assert shown["n"] == ("10" if shown["estimand"] == "tuned" else "13")
        assert shown[P_DECIDES] != "-"


def test_slices_are_shown_with_and_without_an_estimand() -> None:
    findings = find("s", simulated_runs(np.random.default_rng(1), seeds=13, effect=0.05))
    titles = [title for title, _ in slice_tables(findings.slices)]
    assert [title.partition(",")[0] for title in titles] == ["Grid average"] * 3 + ["Tuned"]
    averages = findings.slices[findings.slices["estimand"] == "grid average"]
    old = slice_tables(averages.drop(columns="estimand"))
    assert [table for _, table in old] == [table for _, table in slice_tables(averages)]


def test_a_claim_stands_beside_the_papers_figure_with_interval_and_seeds() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=13, datasets=("cifar10", "digits"), effect=0.05)
    findings = find("s", runs)
    retrieval = answers(findings)[-1]
    on_cifar, on_digits = retrieval.datasets
    assert on_cifar.reported == "+7.59 pt"
    assert on_digits.reported == ""
    assert retrieval.elsewhere == "+4.40 pt on cars196, +2.67 pt on cub200"
    claims = findings.claims
    (ours,) = rows_of(claims[(claims["claim"] == "retrieval") & (claims["dataset"] == "cifar10")])
    assert on_cifar.ours.startswith(f"{100 * ours['difference']:+.2f} pt [{100 * ours['ci_low']:+.2f}, ")
    assert on_cifar.evidence.startswith("n = 10, p = ")
    shown = claim_rows(findings.claims, findings.table)
    row = next(row for row in shown.rows if row[:2] == ("retrieval (tuned)", "cifar10"))
    assert dict(zip(shown.headings, row, strict=True))["reported or why"] == "+7.59 pt"


def test_seeds_are_told_for_each_dataset_where_they_differ() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=12, datasets=("a", "b"))
    findings = find("s", runs[(runs["dataset"] == "b") | (runs["seed"] < 9)])
    text = " ".join(methods(findings))
    assert "seeds of each dataset: 9 (a); 12 (b). " in text
    assert "the other seeds: 6 (a); 9 (b). " in text
    alike = dataclasses.replace(findings, runs=runs)
    assert "seeds of each dataset: 12. " in " ".join(methods(alike))


def test_a_bar_in_a_name_does_not_break_a_row_of_a_markdown_table() -> None:
    assert markdown(("a", "b"), {0}, [("x|y", "1\n2")]).splitlines()[2] == r"| x\|y | 1 2 |"
    runs = simulated_runs(np.random.default_rng(1), seeds=9, datasets=("a|b",))
    rows = [line for line in report_text(find("s", runs)).splitlines() if line.startswith(r"| a\|b | map_at_r")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6, 10, 11}  # sensitivity, evidence, verdicts


def test_that_no_number_of_seeds_would_decide_is_said_so() -> None:
    table = find("s", simulated_runs(np.random.default_rng(1), seeds=9)).table.assign(more_seeds=math.inf)
    assert {row[-1] for row in evidence_rows(table).rows} == {"no number would"}


def test_runs_that_stand_twice_leave_their_dataset_without_a_verdict_and_the_others_with_theirs() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=13, datasets=("a", "b"), effect=0.05)
    again = runs[(runs["dataset"] == "a") & (runs["seed"] == 3)].assign(code_version="2")
    findings = find("s", pd.concat([runs, again], ignore_index=True))
    verdicts = findings.table.groupby("dataset")["verdict"].agg(set)
    assert verdicts["a"] == {"insufficient"}
    assert "triplet" in verdicts["b"]
    assert any("On a a condition stands more than once" in warning for warning in findings.warnings)


def test_sentence_9_the_report_shows_other_regions_of_practical_equivalence() -> None:
    findings = find("s", simulated_runs(np.random.default_rng(1), seeds=13, effect=0.014, pair_noise=0.002))
    row = findings.sensitivity.set_index("metric").loc["map_at_r"]
    assert (row["0.5 pt"], row["2 pt"]) == ("triplet", "equivalent")
    tuned = findings.table[(findings.table["estimand"] == "tuned") & (findings.table["metric"] == "map_at_r")]
    assert row["1 pt"] == tuned["verdict"].iloc[0]
    assert "| dataset | metric | within 0.5 pt | within 1 pt | within 2 pt |" in report_text(findings)


def test_sentence_16_the_report_says_where_an_equivalence_is_not_zero() -> None:
    runs = simulated_runs(np.random.default_rng(8), effect=0.003, pair_noise=0.0005, run_noise=0.0002)
    assert "**equivalent (not zero)**" in report_text(find("s", runs))
    assert "equivalent (not zero)" in terminal_text(find("s", runs))


def test_sentence_11_and_20_the_report_shows_effects_and_censoring() -> None:
    runs = simulated_runs(np.random.default_rng(9), effect=0.05)
    text = report_text(find("s", runs))
    assert "| digits | map_at_r | " in text
    assert "1.00 [0.69, 1.00] | yes |" in text
    assert "censored at the last epoch: 0% of its runs, 0% of the contrastive loss's" in text


def test_versions_devices_and_unmatched_conditions_are_doubts_that_the_report_names() -> None:
    runs = simulated_runs(np.random.default_rng(10))
    runs.loc[runs["seed"] > 5, "code_version"] = "2"
    runs.loc[runs["seed"] == 1, "device"] = "NVIDIA H100"
    runs.loc[runs["seed"] == 2, "device"] = "unknown"
    runs = runs[~((runs["loss"] == "triplet") & (runs["miner"] == "hard"))]
    text = report_text(find("s", runs))
    assert "different versions of the code or its libraries: 1, 2" in text
    assert "devices that agree within rounding only: NVIDIA H100, cpu" in text
    assert "exist for one loss only and stay out: contrastive hard margin=0.2 lr=0.001" in text


def test_the_report_answers_first() -> None:
    runs = simulated_runs(np.random.default_rng(2), seeds=13, effect=-0.05)
    lines = report_text(find("s", runs)).splitlines()
    assert lines[2].startswith("- **digits: contrastive retrieves better, each loss tuned (MAP@R -4.94 pt, ")
    assert "n = 10 seeds" in lines[2]


def test_crash_rates_are_shown_for_each_loss() -> None:
    runs = simulated_runs(np.random.default_rng(3))
    runs.loc[(runs["loss"] == "triplet") & runs["seed"].between(3, 7), "diverged"] = True
    text = report_text(find("s", runs))
    assert "| digits | triplet | 40 | 4 | 10 | 50.0% |" in text
    assert "| digits | contrastive | 40 | 4 | 10 | 0.0% |" in text
    assert "no verdict, 2 complete seeds" in text


def test_a_study_without_pairs_says_that_there_is_nothing_to_compare(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(4))
    alone = runs[runs["loss"] == "triplet"]
    write_report(find("s", alone), [], tmp_path)
    assert "there is nothing to compare" in (tmp_path / "report.md").read_text()
    assert "insufficient" in terminal_text(find("s", alone))


def test_no_file_holds_what_is_not_a_number(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(5), seeds=1)
    write_report(find("s", runs), [], tmp_path)
    content = json.loads((tmp_path / "verdicts.json").read_text(), parse_constant=lambda name: math.nan)
    values = [value for row in content["verdicts"] for value in row.values() if isinstance(value, float)]
    assert all(math.isfinite(value) for value in values)
