from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.result import Result, Verdict
from analysis.metrics import METRICS
from analysis.report.document.assembly import report, summary
from analysis.report.document.captions import (
    claims_caption,
    overall_caption,
    sensitivity_caption,
    slices_caption,
    verdicts_caption,
)
from analysis.report.document.tables import (
    P_DECIDES,
    claim_rows,
    evidence_rows,
    overall_rows,
    slice_tables,
    verdict_rows,
)
from analysis.report.document.text_table import TextTable
from analysis.report.document.wording import answers, methods
from analysis.report.files import write_report
from analysis.report.findings import Findings
from analysis.report.formatting import deciding_p_text
from analysis.report.renderers.markdown import markdown, table
from analysis.report.renderers.terminal import terminal
from tests.analysis.findings import found
from tests.analysis.studies import simulated_runs


def text_of(findings: Findings) -> str:
    return markdown(report(findings))


def terminal_of(findings: Findings) -> str:
    return terminal(summary(findings))


def shown_in(shown: TextTable) -> list[dict[str, str]]:
    return [dict(zip(shown.headings, map(str, row), strict=True)) for row in shown.rows]


def test_sentence_3_margins_are_said_not_to_be_on_one_scale_and_no_table_sets_them_side_by_side() -> None:
    runs = simulated_runs(np.random.default_rng(0))
    findings = found("s", runs)
    text = text_of(findings)
    assert "(m \u2212 d)\u00b2 for negatives, the triplet loss uses d\u00b2 for both" in text
    assert "margins are not on one scale" in text
    assert "A miner's margin window is on the scale of the loss that uses it." in text
    assert "margin" not in verdict_rows(findings.results).headings


def test_sentence_21_active_negatives_decide_and_the_papers_unit_is_shown_beside_them() -> None:
    judged = {metric.name: metric.judged for metric in METRICS if metric.name.startswith("active")}
    assert judged == {
        "active_negatives": True,
        "active_negative_anchors": True,
        "active_ratio": False,
        "active_anchors": False,
    }


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
    findings = found("s", runs)
    for shown in shown_in(verdict_rows(findings.results)):
        assert shown["n"] == "13"
        p_values = (shown["p (d = 0, Holm)"], shown["p that decides"])
        assert "-" not in (shown["95% interval"], shown["difference"])
        assert ("-" in p_values) == (shown["verdict"] == "-")
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
        (Verdict("named", side="triplet", strength="clear"), "0.01 (effect)"),
        (Verdict("named", side="contrastive", strength="small"), "0.03 (d = 0)"),
        (Verdict("equivalent"), "0.02 (equivalence)"),
        (Verdict("undecided"), "-"),
        (Verdict("insufficient"), "-"),
    ],
)
def test_sentence_24_the_p_beside_a_verdict_is_of_the_test_that_decided(verdict: Verdict, expected: str) -> None:
    p_values = {"p_minimum_effect_corrected": 0.01, "p_equivalence_corrected": 0.02, "p_corrected": 0.03}
    arms = {"first": "triplet", "second": "contrastive"}
    result = Result(metric="map_at_r", scale="share", rope=0.01, verdict=verdict, **arms, **p_values)  # type: ignore[arg-type]
    assert deciding_p_text(result.p_deciding, verdict.test) == expected


def test_sentence_24_every_table_and_figure_says_its_seeds_its_correction_and_its_data() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=13, datasets=("a", "b"), effect=0.05)
    findings = found("mine", runs)
    captions = (overall_caption, sensitivity_caption, slices_caption, claims_caption)
    for caption in (write(findings) for write in captions):
        assert caption.endswith("From study mine, data a a, b b.")
    assert "(n = 13)" in sensitivity_caption(findings)
    assert "Holm's method over 2 comparisons" in verdicts_caption(findings.results[:2])
    assert "Benjamini and Hochberg's method over all 120 comparisons" in slices_caption(findings)
    rows = [row for _, sliced in slice_tables(findings.slices) for row in shown_in(sliced)]
    assert {row["n"] for row in rows} == {"13"}
    for shown in shown_in(overall_rows(findings.overall, findings.results)):
        assert shown["n"] == "13"
        assert shown[P_DECIDES] != "-"


def test_slices_are_shown_by_estimand_and_kind_of_metric() -> None:
    findings = found("s", simulated_runs(np.random.default_rng(1), seeds=13, effect=0.05))
    titles = [title for title, _ in slice_tables(findings.slices)]
    assert [title.partition(",")[0] for title in titles] == ["Grid average"] * 3 + ["Tuned"]


def test_a_claim_stands_beside_the_papers_figure_with_interval_and_seeds() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=13, datasets=("cifar10", "digits"), effect=0.05)
    findings = found("s", runs)
    retrieval = next(answer for answer in answers(findings) if answer.statement == "Triplet loss retrieves better")
    on_cifar, on_digits = retrieval.datasets
    assert on_cifar.reported == "+7.59 pt, ours is smaller"
    assert on_digits.reported == ""
    assert retrieval.elsewhere == "+4.40 pt on cars196, +2.67 pt on cub200"
    judged = next(one for one in findings.claims if one.claim.name == "retrieval")
    ours = next(on.result for on in judged.on_datasets if on.result.dataset == "cifar10")
    assert on_cifar.ours.startswith(f"{100 * ours.difference:+.2f} pt [{100 * ours.ci_low:+.2f}, ")
    assert on_cifar.evidence.startswith("n = 13, p = ")
    rows = {(row["claim"], row["dataset"]): row for row in shown_in(claim_rows(findings.claims))}
    assert rows["retrieval", "cifar10"]["reported"] == "+7.59 pt, ours is smaller"


def test_seeds_are_told_for_each_dataset_where_they_differ() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=12, datasets=("a", "b"))
    findings = found("s", runs[(runs["dataset"] == "b") | (runs["seed"] < 9)])
    text = " ".join(methods(findings))
    assert "seeds of each dataset: 9 (a); 12 (b). " in text
    assert "seeds of each dataset: 12. " in " ".join(methods(found("s", runs)))


def test_a_bar_in_a_name_does_not_break_a_row_of_a_markdown_table() -> None:
    shown = TextTable(("a", "b"), frozenset({"a"}), [("x|y", "1\n2")])
    assert table(shown).splitlines()[2] == r"| x\|y | 1 2 |"
    runs = simulated_runs(np.random.default_rng(1), seeds=9, datasets=("a|b",))
    rows = [line for line in text_of(found("s", runs)).splitlines() if line.startswith(r"| a\|b | MAP@R")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6, 11}  # sensitivity; evidence and verdicts


def test_that_no_number_of_seeds_would_decide_is_said_so() -> None:
    results = found("s", simulated_runs(np.random.default_rng(1), seeds=9)).results
    endless = [dataclasses.replace(result, more_seeds=math.inf) for result in results]
    assert {row[-1] for row in evidence_rows(endless).rows} == {"no number would"}


def test_runs_that_stand_twice_leave_their_dataset_without_a_verdict_and_the_others_with_theirs() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=13, datasets=("a", "b"), effect=0.05)
    again = runs[(runs["dataset"] == "a") & (runs["seed"] == 3)].assign(code_version="2")
    findings = found("s", pd.concat([runs, again], ignore_index=True))
    assert {str(result.verdict) for result in findings.results if result.dataset == "a"} == {"insufficient", "shown"}
    assert "triplet" in {str(result.verdict) for result in findings.results if result.dataset == "b"}
    assert any("On a a condition stands more than once" in warning for warning in findings.warnings)


def test_sentence_9_the_report_shows_other_regions_of_practical_equivalence() -> None:
    findings = found("s", simulated_runs(np.random.default_rng(1), seeds=13, effect=0.014, pair_noise=0.002))
    under = next(one.verdicts for one in findings.sensitivity if one.metric == "map_at_r")
    assert (str(under[0.005]), str(under[0.02])) == ("triplet", "equivalent")
    tuned = next(r for r in findings.results if (r.estimand, r.metric) == ("tuned", "map_at_r"))
    assert under[0.01] == tuned.verdict
    assert "| dataset | metric | within 0.5 pt | within 1 pt | within 2 pt |" in text_of(findings)


def test_sentence_1_the_report_says_on_which_test_data_its_verdicts_are() -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=9, datasets=("digits", "mnist", "old", "synthetic"))
    runs.loc[runs["dataset"] == "mnist", "test_part"] = "shared"
    runs.loc[runs["dataset"] == "old", "test_part"] = "unknown"
    text = text_of(found("s", runs))
    assert "On mnist all seeds share the official test set: the verdict is on that test set." in text
    assert "On digits, synthetic each seed draws its own test part" in text
    assert "Older records do not say whether the seeds share one test set: old." in text
    alone = text_of(found("s", runs[runs["dataset"] == "digits"]))
    assert "official test set" not in alone
    assert "Older records" not in alone


def test_sentence_16_the_report_says_where_an_equivalence_is_not_zero() -> None:
    runs = simulated_runs(np.random.default_rng(8), effect=0.003, pair_noise=0.0005, run_noise=0.0002)
    assert "**equivalent (not zero)**" in text_of(found("s", runs))
    assert "equivalent (not zero)" in terminal_of(found("s", runs))


def test_sentence_7_the_report_marks_a_verdict_whose_differences_are_skewed() -> None:
    rng = np.random.default_rng(8)
    runs = simulated_runs(rng, seeds=13, effect=0.1)
    assert "**triplet**" in text_of(found("s", runs))
    assert "(skewed)" not in text_of(found("s", runs))
    far = (runs["seed"] == 3) & (runs["loss"] == "triplet")
    runs.loc[far, [column for column in runs if "/map_at_r" in str(column)]] += 0.4
    text = text_of(found("s", runs))
    assert "**triplet (skewed)**" in text
    assert "triplet (skewed)" in terminal_of(found("s", runs))
    assert "| shown: more than 1 pt; skewed differences |" in text
    assert "A verdict is marked as skewed" in text


def test_sentence_11_and_20_the_report_shows_effects_and_censoring() -> None:
    runs = simulated_runs(np.random.default_rng(9), effect=0.05)
    text = text_of(found("s", runs))
    assert "| digits | MAP@R | " in text
    assert "1.00 [0.69, 1.00] | yes |" in text
    assert "censored at the last epoch: 0% of its runs, 0% of the contrastive loss's" in text


def test_versions_devices_and_unmatched_conditions_are_doubts_that_the_report_names() -> None:
    runs = simulated_runs(np.random.default_rng(10))
    runs.loc[runs["seed"] > 5, "code_version"] = "2"
    runs.loc[runs["seed"] == 1, "device"] = "NVIDIA H100"
    runs.loc[runs["seed"] == 2, "device"] = "unknown"
    runs.loc[runs["seed"] < 5, "inputs_digest"] = "d1"
    assert "not the same numbers" not in text_of(found("s", runs))
    runs.loc[runs["seed"] == 2, "inputs_digest"] = "d2"
    runs = runs[~((runs["loss"] == "triplet") & (runs["miner"] == "hard"))]
    text = text_of(found("s", runs))
    assert "different versions of the code or its libraries: 1, 2" in text
    assert "devices that agree within rounding only: NVIDIA H100, cpu" in text
    assert "on digits were trained on inputs of the same data that are not the same numbers (digests d1, d2)" in text
    assert "exist for one loss only and stay out: contrastive hard margin=0.2 lr=0.001" in text


def test_the_report_answers_first() -> None:
    runs = simulated_runs(np.random.default_rng(2), seeds=13, effect=-0.05)
    lines = text_of(found("s", runs)).splitlines()
    assert lines[2] == "## What to do"
    assert lines[4].startswith("- **digits: use contrastive with miner ")
    assert terminal_of(found("s", runs)).startswith("What to do\n\ndigits: use contrastive with miner ")


def test_crash_rates_are_shown_for_each_loss() -> None:
    runs = simulated_runs(np.random.default_rng(3))
    runs.loc[(runs["loss"] == "triplet") & runs["seed"].between(3, 7), "diverged"] = True
    text = text_of(found("s", runs))
    assert "| digits | triplet | 40 | 4 | 10 | 50.0% |" in text
    assert "| digits | contrastive | 40 | 4 | 10 | 0.0% |" in text
    assert "no answer yet, 5 complete seeds" in text


def test_a_study_without_pairs_says_that_there_is_nothing_to_compare(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(4))
    alone = runs[runs["loss"] == "triplet"]
    write_report(found("s", alone), [], tmp_path)
    assert "there is nothing to compare" in (tmp_path / "report.md").read_text()
    assert "insufficient" in terminal_of(found("s", alone))
    text = text_of(found("s", alone))
    assert "Distances are Euclidean; the triplet loss uses d\u00b2 for both." in text
    assert text.startswith("# Triplet alone. Study `s`")
    assert "minus" not in text


def test_no_file_holds_what_is_not_a_number(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(5), seeds=1)
    write_report(found("s", runs), [], tmp_path)
    content = json.loads((tmp_path / "verdicts.json").read_text(), parse_constant=lambda name: math.nan)
    values = [value for row in content["verdicts"] for value in row.values() if isinstance(value, float)]
    assert all(math.isfinite(value) for value in values)
