"""A report on more than two arms."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from analysis.comparison.comparisons import comparisons
from analysis.metrics import METRICS
from analysis.report.arms import arm_styles, pair_styles
from analysis.report.build import build_report
from analysis.report.document.tables import verdict_rows
from tests.analysis.comparison.test_arms import three_arms
from tests.analysis.findings import found
from tests.analysis.recorded import record_study


def test_tables_name_both_arms_where_there_are_several_pairs() -> None:
    table = verdict_rows(found("s", three_arms()).results)
    assert table.headings[:6] == ("dataset", "metric", "estimand", "first", "second", "n")
    moved = table.answer_first()
    assert moved.headings[:6] == ("dataset", "metric", "estimand", "first", "second", "verdict")


def test_the_whole_report_can_be_had(tmp_path: Path) -> None:
    record_study(tmp_path, "s", three_arms())
    shown = build_report("s", tmp_path, claims_file=_claims(tmp_path))
    assert re.search("^digits +MAP@R +triplet +softmax ", shown, re.MULTILINE)
    report = tmp_path / "s" / "report"
    text = (report / "report.html").read_text()
    assert "digits: softmax and contrastive: use softmax with miner" in text
    assert ".arm2 { color:#009E73; }" in text
    assert '<span class="badge arm2">softmax</span>' in text
    assert "digits: triplet and softmax" in text
    assert len(pd.read_csv(report / "verdicts.csv")) == 3 * 3 * len(METRICS)
    assert "Contrastive or softmax or triplet?" in (report / "report.md").read_text()


def _claims(folder: Path) -> Path:
    file = folder / "claims.yaml"
    claim = "{name: a, statement: b, metric: map_at_r, direction: triplet, against: softmax, estimand: tuned}"
    file.write_text(f"- {claim}\n")
    return file


def test_an_arm_has_the_same_colour_in_all_figures() -> None:
    runs = pd.concat([three_arms(), three_arms().query("loss == 'softmax'").assign(loss="arcface")])
    of_pairs = [pair_styles(comparison) for comparison in comparisons(runs)]
    colours = {(arm, style.colour) for styles in of_pairs for arm, style in styles.items()}
    assert len(of_pairs) == 6
    assert len(colours) == len({colour for _, colour in colours}) == 4


def test_each_arm_has_a_colour_of_its_own() -> None:
    styles = arm_styles(["a", "contrastive", "b", "triplet"])
    assert len({style.colour for style in styles.values()}) == 4
    assert styles["contrastive"].margin_on == "d"
    assert styles["a"].margin_on == ""
