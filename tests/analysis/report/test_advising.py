"""The first section of a report: what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.result import Verdict
from analysis.conclusions.advice import Gain
from analysis.metrics import SELECTION
from analysis.report.build import build_report
from analysis.report.document.advising import gain_rows, headlines, how_sure
from analysis.report.document.assembly import report, summary
from analysis.report.findings import Findings
from analysis.report.renderers.html import html
from analysis.report.renderers.markdown import markdown
from analysis.report.renderers.terminal import terminal
from tests.analysis.conclusions.test_advice import at_default, points_of, study
from tests.analysis.findings import found
from tests.analysis.recorded import record_study


def lines_of(findings: Findings) -> list[str]:
    return [f"{line.answer} ({line.evidence})" for line in headlines(findings)]


def test_html_markdown_and_terminal_begin_with_what_to_do_and_say_it_once() -> None:
    runs = study()
    findings = found("s", runs, points_of(runs, 0.2))
    whole = report(findings)
    page = html(whole)
    for text in (page[page.index("<h2") :], markdown(whole), terminal(summary(findings))):
        start = text.index("What to do")
        assert text.index("digits: use triplet with miner hard, margin 1, learning rate 0.001") > start
        assert text.index("chosen by 9 of 13 seeds") < text.index("untrained network") < text.index("What the paper")
        assert "each loss tuned (MAP@R" not in text
        assert text.count("use triplet with") == 1


def test_each_gain_has_its_seeds_interval_and_p_and_says_how_sure_it_is() -> None:
    runs = study()
    rows = [list(map(str, row)) for row in gain_rows(found("s", runs, points_of(runs, 0.2))).rows]
    assert [row[:3] for row in rows] == [
        ["digits", "contrastive", "13"],
        ["digits", "default setting", "13"],
        ["digits", "untrained network", "13"],
    ]
    assert [row[-1] for row in rows] == ["shown: more than 1 pt", *["exploratory: more than 1 pt"] * 2]
    assert all(row[3].startswith("+") and row[3].endswith(" pt") and row[4].startswith("[+") for row in rows)
    assert rows[0][5].endswith("(effect)")
    assert float(rows[2][5]) < 0.001


def test_what_cannot_be_known_has_its_reason() -> None:
    runs = study()
    rows = gain_rows(found("s", runs[~at_default(runs)])).rows
    assert [row[-1] for row in rows[1:]] == [
        "the study has no run at it",
        "no score of epoch 0 is in the records here",
    ]
    assert [row[2:6] for row in rows[1:]] == [("0", "-", "-", "-")] * 2


def test_losses_that_are_equivalent_or_undecided_are_said_to_be_so() -> None:
    alike = study(effect=0.0, pair_noise=0.0005)
    (line,) = lines_of(found("s", alike))
    assert line.startswith("digits: either loss, they retrieve equally well (the higher mean, not shown to be better, ")
    (line,) = lines_of(found("s", study(effect=0.0, pair_noise=0.05)))
    assert line.startswith("digits: either loss, neither is shown to be better (the higher mean, not shown ")
    (line,) = lines_of(found("s", study().query("seed < 7")))
    assert line.startswith("digits: no answer yet, 7 complete seeds; at least 8 are needed (so far ")
    (line,) = lines_of(found("s", study().drop(columns=SELECTION)))
    assert line.startswith("digits: no verdict, no run of either loss has a validation score")


def test_sentence_26_where_a_range_ends_too_early_the_first_line_says_where_and_what_to_try() -> None:
    runs = study(effect=0.0)
    runs.loc[runs["margin"] == 2.0, [SELECTION, "test/map_at_r"]] += 0.1
    findings = found("s", runs)
    (line,) = lines_of(findings)
    assert line.startswith(
        "digits: no answer yet, the range of margin ends at 2 where triplet still rises: try 4 and 8"
    )
    assert line.endswith(" has the higher mean)")
    assert "On digits the range of margin ends at 2 where triplet still rises: try 4 and 8" in findings.warnings[0]


def test_a_small_difference_is_called_a_little_better() -> None:
    runs = study(effect=0.012, pair_noise=0.008)
    findings = found("s", runs)
    assert findings.advice[0].result.judged.strength == "small"
    assert "(retrieves a little better; chosen by" in lines_of(findings)[0]
    assert gain_rows(findings).rows[0][-1] == "shown: more than zero"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.02, 0.04, "more than 1 pt"),
        (0.005, 0.04, "more than zero"),
        (-0.005, 0.04, "may be zero"),
        (-0.005, 0.005, "within 1 pt"),
        (-0.04, -0.005, "worse"),
        (-0.04, -0.02, "worse by more than 1 pt"),
        (0.0, 0.0, "no difference at all"),
        (-np.inf, np.inf, "may be zero"),
    ],
)
def test_how_sure_a_gain_is_follows_from_its_interval(low: float, high: float, expected: str) -> None:
    assert how_sure(Gain(13, (low + high) / 2 if np.isfinite(low) else 0.1, low, high, 0.5), 0.01) == expected


@pytest.mark.parametrize(
    ("gained", "expected"),
    [
        (-0.03, "On digits training left retrieval worse than the untrained network: -2.99 pt"),
        (0.0, "On digits training is not shown to have made retrieval better than the untrained network: "),
    ],
)
def test_that_training_did_not_help_is_a_warning_in_words(gained: float, expected: str) -> None:
    runs = study()
    findings = found("s", runs, points_of(runs, gained))
    assert expected in " ".join(findings.warnings)
    assert f"> **Warning:** {expected}" in markdown(report(findings))
    assert f"Warning: {expected}" in terminal(summary(findings))


def test_that_training_helped_is_no_warning() -> None:
    runs = study()
    assert found("s", runs, points_of(runs, 0.2)).warnings == ()


def test_a_report_from_records_reads_the_untrained_network(tmp_path: Path) -> None:
    runs = study()
    record_study(tmp_path, "s", runs, untrained=0.1)
    shown = build_report("s", tmp_path)
    row = next(line for line in shown.splitlines() if "untrained network" in line)
    assert " 13 " in row
    assert "more than 1 pt" in row
    assert pd.read_csv(tmp_path / "s" / "report" / "verdicts.csv").shape[0] > 0


def test_a_verdict_that_could_not_be_had_leaves_the_gains_readable() -> None:
    findings = found("s", study().query("seed < 7"))
    assert findings.advice[0].result.judged == Verdict("insufficient", "7 complete seeds; at least 8 are needed")
    assert gain_rows(findings).rows[0][-1] == "no verdict"
