from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from analysis.findings import find
from analysis.markdown_report import report_text
from analysis.metrics import METRICS
from analysis.report import terminal_text, write_report
from analysis.tables import VERDICT_HEADINGS, verdict_rows
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
        assert "-" not in (shown["95% interval"], shown["p (d = 0)"], shown["difference"])
    write_report(findings, [], tmp_path)
    content = json.loads((tmp_path / "verdicts.json").read_text())
    assert content["study"] == "s"
    assert content["provenance"] == {"code version": ["1"], "data digest": ["a a", "b b"]}
    text = (tmp_path / "report.md").read_text()
    assert "Holm's correction runs within each estimand, family" in text
    assert "data digest: a a, b b" in text


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


def test_versions_and_unmatched_conditions_are_doubts_that_the_report_names() -> None:
    runs = simulated_runs(np.random.default_rng(10))
    runs.loc[runs["seed"] > 5, "code_version"] = "2"
    runs = runs[~((runs["loss"] == "triplet") & (runs["miner"] == "hard"))]
    text = report_text(find("s", runs))
    assert "different versions of the code: 1, 2" in text
    assert "exist for one loss only and stay out: contrastive hard margin=0.2 lr=0.001" in text


def test_the_report_answers_first() -> None:
    runs = simulated_runs(np.random.default_rng(2), seeds=13, effect=-0.05)
    lines = report_text(find("s", runs)).splitlines()
    assert lines[2].startswith("- **digits: contrastive retrieves better, each loss tuned (MAP@R -4.94 pt, ")
    assert "n = 10 seeds" in lines[2]


def test_crash_rates_are_shown_for_each_loss() -> None:
    runs = simulated_runs(np.random.default_rng(3))
    runs.loc[(runs["loss"] == "triplet") & (runs["seed"] < 5), "diverged"] = True
    text = report_text(find("s", runs))
    assert "| digits | triplet | 40 | 4 | 10 | 50.0% |" in text
    assert "| digits | contrastive | 40 | 4 | 10 | 0.0% |" in text
    assert "no verdict, 5 complete seeds" in text


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
