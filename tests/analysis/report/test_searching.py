"""What a report says of studies whose seeds drew their own settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.settings import longest_runs
from analysis.conclusions.fates import fates
from analysis.metrics import METRICS
from analysis.report.build import build_report
from analysis.report.document.advising import headlines
from analysis.report.document.assembly import report
from analysis.report.document.runs import fate_lines, fixed_lines, run_table
from analysis.report.document.searching import absent_text, method_text, search_lines
from analysis.report.document.wording import methods, tuning_lines
from analysis.report.renderers.markdown import markdown
from tests.analysis.findings import found
from tests.analysis.recorded import record_study
from tests.analysis.searched import RUNGS, rounds_of_runs, searched_runs
from tests.analysis.studies import simulated_runs

PLAIN = searched_runs(np.random.default_rng(0))
HALVED = searched_runs(np.random.default_rng(1), settings=27, rungs=RUNGS, search="sobol")
GRID = simulated_runs(np.random.default_rng(0), seeds=8)


def collapsed(runs: pd.DataFrame) -> pd.DataFrame:
    """The triplet runs with a margin above 1000 collapsed at epoch 3."""
    return runs.assign(
        **{"train/collapsed_epoch": np.where((runs["loss"] == "triplet") & (runs["margin"] > 1000), 3, np.nan)}
    )


def test_sentence_23_stopped_runs_are_shown_as_such_and_a_setting_is_one_run() -> None:
    findings = found("s", HALVED)
    table = run_table(findings)
    assert table.headings == ("dataset", "loss", "runs", "conditions", "seeds", "stopped", "diverged")
    row = ("351", "27", "13", "312", "0.0%")
    assert table.rows == [("data0", "contrastive", *row), ("data0", "triplet", *row)]
    how = "27 settings a seed by sobol, 3 of them trained to the end; 18 stopped at epoch 6, 6 at epoch 17"
    assert search_lines(findings) == [f"data0, contrastive: {how}", f"data0, triplet: {how}"]
    assert methods(findings)[0].startswith("702 runs; ")
    assert "stopped" not in run_table(found("s", PLAIN)).headings


def test_records_and_mlflow_which_has_the_longest_run_of_each_setting_give_the_same_table_of_runs() -> None:
    recorded, in_mlflow = found("s", collapsed(HALVED)), found("s", collapsed(longest_runs(HALVED)))
    assert run_table(recorded) == run_table(in_mlflow)
    assert recorded.fates == in_mlflow.fates
    assert search_lines(recorded) == search_lines(in_mlflow)
    assert tuning_lines(recorded) == tuning_lines(in_mlflow)
    assert recorded.warnings == in_mlflow.warnings


def test_runs_that_collapsed_are_counted_by_fifths_of_the_margins_that_seeds_drew() -> None:
    runs = collapsed(PLAIN)
    (fate,) = (one for one in fates({"data0": runs}) if (one.arm, one.ending) == ("triplet", "collapsed"))
    high = runs["loss"].eq("triplet") & runs["margin"].gt(1000)
    assert (fate.count, fate.runs) == (high.sum(), 117)
    assert sum(one.count for one in fate.by_margin) == fate.count
    assert all(one.up_to is not None and one.up_to > 1000 for one in fate.by_margin)
    (line,) = fate_lines(found("s", runs))
    assert f"{fate.by_margin[-1].count} of {fate.by_margin[-1].runs} at margins " in line
    assert line.endswith(" to 4000, from epoch 3 on")


def test_ranges_are_named_by_their_ends() -> None:
    (line,) = fixed_lines(found("s", PLAIN))
    assert "margin contrastive drawn from 0.1 to 1000; triplet drawn from 0.031 to 4000" in line
    assert "lr drawn from 0.0001 to 0.0098" in line
    assert "miner all, hard, semihard" in line


def test_what_each_seed_chose_is_told_as_a_range() -> None:
    findings = found("s", PLAIN)
    line = next(line for line in tuning_lines(findings) if line.startswith("data0, triplet"))
    chosen = str(findings.comparisons[0].tuned.chosen_range("triplet"))
    assert line.startswith(f"data0, triplet, out of 9 settings that each of 13 seeds drew: {chosen}")
    (headline,) = headlines(findings)
    use = headline.answer + headline.evidence
    assert " with miner " in use or "no answer yet" in use


def test_advice_on_drawn_settings_names_the_range_that_seeds_chose() -> None:
    better = PLAIN["test/map_at_r"] + 0.05 * (PLAIN["loss"] == "triplet")
    inner = PLAIN["val/map_at_r"] - 0.1 * (PLAIN["lr"] > 5e-3)  # no end of a range is best
    findings = found("s", PLAIN.assign(**{"test/map_at_r": better, "val/map_at_r": inner}))
    (headline,) = headlines(findings)
    assert headline.answer.startswith("data0: use triplet with miner ")
    assert ", learning rate 0.000" in headline.answer
    assert headline.evidence.startswith("retrieves better; each seed chose its own, ")
    assert headline.evidence.endswith(" of 13 this miner")


@pytest.mark.parametrize(
    ("runs", "said", "unsaid"),
    [
        (PLAIN, "No grid average on data0", "No curve of the tuning effort"),
        (HALVED, "No curve of the tuning effort and no parts of the search on data0", "Exploratory: parts"),
        (PLAIN.assign(search="tpe"), "No curve of the tuning effort", "Exploratory: parts"),
    ],
    ids=["plain", "halved", "tpe"],
)
def test_the_report_says_what_a_search_does_not_have(runs: pd.DataFrame, said: str, unsaid: str) -> None:
    text = markdown(report(found("s", runs)))
    assert said in text
    assert unsaid not in text
    assert "conditions exist for one loss only" not in text
    assert ("Successive halving stopped settings" in text) == (runs is HALVED)
    assert "grid average, at these margins" not in text
    assert ("Of what seeds drew from a range no level is left out" in text) == ("Exploratory: parts" in text)


def test_a_grid_says_nothing_of_searches() -> None:
    findings = found("s", GRID)
    assert (search_lines(findings), absent_text(findings), method_text(findings)) == ([], "", "")


def test_a_loss_of_stopped_runs_alone_has_nothing_to_be_compared() -> None:
    findings = found("s", HALVED[(HALVED["loss"] == "contrastive") | (HALVED["stopped_at"] > 0)])
    assert "data0 has no runs of the triplet loss, trained to the end: nothing can be compared" in findings.warnings[0]


def test_the_whole_report_of_a_search_shows_the_runs_that_seeds_chose(tmp_path: Path) -> None:
    runs = searched_runs(np.random.default_rng(2), rungs=RUNGS, seeds=8, metrics=METRICS[:2])
    record_study(tmp_path, "s", runs)
    build_report("s", tmp_path)
    folder = tmp_path / "s" / "report"
    curve = pd.read_csv(folder / "figures" / "train-loss-data0.csv")
    assert curve["n"].tolist() == [8] * len(curve)
    margins = pd.read_csv(folder / "figures" / "margins-map-at-r-data0.csv")
    assert margins["n"].sum() == 2 * 8  # one run a seed was trained to the end
    assert len(margins) <= 2 * 5
    assert not (folder / "figures" / "tuning-data0.csv").exists()
    text = (folder / "report.md").read_text()
    assert (
        "A point is a fifth of the range that seeds drew from, and of that the runs that were trained to the end."
        in text
    )
    assert "Not shown for data0, Tuning effort" not in text
    assert "Traceback" not in text


def test_the_report_says_what_of_a_search_is_set_aside_and_nothing_where_nothing_is(tmp_path: Path) -> None:
    runs = rounds_of_runs(np.random.default_rng(3), rungs=RUNGS)
    late = runs["round_settings"].eq(27) & (runs["seed"].gt(4) | runs["loss"].eq("triplet") & runs["stopped_at"].ne(6))
    record_study(tmp_path, "s", runs[~late])
    build_report("s", tmp_path)
    text = (tmp_path / "s" / "report" / "report.md").read_text()
    said = "data0: rounds that not all seeds have completed for both losses are set aside, in no comparison: "
    assert f"{said}contrastive up to 9 settings in 5 of 13 seeds, triplet up to 9 settings in 5 of 13 seeds" in text
    assert "data0, triplet: 18 settings a seed by sobol, 2 of them trained to the end; 12 stopped at epoch 6" in text
    assert "data0, triplet, out of 18 settings that each of 13 seeds drew" in text
    findings = found("s", runs)
    assert len(search_lines(findings)) == 2
    assert "set aside" not in markdown(report(findings))
