from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.comparison.pairing import by_dataset
from analysis.conclusions.fates import Fate, FateAtMargin, fates
from analysis.report.document.assembly import report
from analysis.report.document.runs import fate_lines, fate_texts, run_table
from analysis.report.renderers.markdown import markdown
from tests.analysis.findings import found
from tests.analysis.studies import simulated_runs

COLLAPSED, SATISFIED = "train/collapsed_epoch", "train/satisfied_epoch"


def study() -> pd.DataFrame:
    """Of 13 triplet runs 9 collapsed at margin 256 and one at 16; 5 contrastive ones were satisfied at margin 1."""
    runs = simulated_runs(np.random.default_rng(0), seeds=13, miners=("all",), margins=(1.0, 16.0, 256.0))
    triplet = runs["loss"] == "triplet"
    runs.loc[triplet & (runs["margin"] == 256.0) & (runs["seed"] < 9), COLLAPSED] = [2, 3, 3, 3, 3, 3, 4, 9, 9]
    runs.loc[triplet & (runs["margin"] == 16.0) & (runs["seed"] == 4), COLLAPSED] = 30
    runs.loc[~triplet & (runs["margin"] == 1.0) & (runs["seed"] < 5), SATISFIED] = 20
    return runs


def test_runs_that_collapsed_or_were_satisfied_are_counted_by_loss_and_margin() -> None:
    collapsed = (FateAtMargin(16.0, 1, 13, 30.0), FateAtMargin(256.0, 9, 13, 3.0))
    assert fates(by_dataset(study())) == [
        Fate("digits", "contrastive", "collapsed", 0, 39, ()),
        Fate("digits", "contrastive", "satisfied", 5, 39, (FateAtMargin(1.0, 5, 13, 20.0),)),
        Fate("digits", "triplet", "collapsed", 10, 39, collapsed),
        Fate("digits", "triplet", "satisfied", 0, 39, ()),
    ]


def test_an_ending_that_no_run_has_is_counted_as_none() -> None:
    counts = {(fate.ending, fate.count) for fate in fates(by_dataset(study().drop(columns=[COLLAPSED, SATISFIED])))}
    assert counts == {("collapsed", 0), ("satisfied", 0)}


def test_the_report_counts_them_beside_the_runs_and_says_what_they_mean() -> None:
    findings = found("s", study())
    table = run_table(findings)
    assert table.headings[-3:] == ("diverged", "collapsed", "satisfied")
    assert [row[-3:] for row in table.rows] == [("0.0%", "0", "5"), ("0.0%", "10", "0")]
    assert fate_lines(findings) == [
        "digits, contrastive, satisfied: 5 of 13 at margin 1, from epoch 20 on",
        "digits, triplet, collapsed: 1 of 13 at margin 16, from epoch 30 on; 9 of 13 at margin 256, from epoch 3 on",
    ]
    text = markdown(report(findings)).partition("## Runs")[2]
    assert "| digits | triplet | 39 | 3 | 13 | 0.0% | 10 | 0 |" in text
    assert "The loss then stands still at its margin" in text
    assert "is then 0, which is normal and no error" in text


def test_only_what_happened_is_explained() -> None:
    (text,) = fate_texts(found("s", study().drop(columns=SATISFIED)))
    assert text.startswith("Collapsed: ")
    (text,) = fate_texts(found("s", study().drop(columns=[COLLAPSED, SATISFIED])))
    assert text.startswith("No run collapsed ")


def test_a_study_that_is_older_than_such_records_shows_nothing_about_it() -> None:
    findings = found("s", study().drop(columns=[COLLAPSED, SATISFIED, "train/active_negatives_mean"]))
    assert run_table(findings).headings[-1] == "diverged"
    text = markdown(report(findings))
    assert "ollapsed" not in text
    assert "atisfied" not in text
    assert "learned no further" not in text
