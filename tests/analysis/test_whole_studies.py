"""Simulated studies from their records to the report: what is said of those that go well, and of those that do not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import claims, verdicts
from analysis.report.files import write_report
from analysis.report.findings import find_out
from analysis.store.loading import read_study
from tests.analysis.recorded import record_study
from tests.analysis.studies import judged, simulated_runs


def report_on(runs: pd.DataFrame, storage: Path) -> str:
    """The report in Markdown, without figures, whose table is that of the runs themselves."""
    record_study(storage, "s", runs)
    folder = storage / "s" / "report"
    write_report(find_out("s", read_study("s", storage)), [], folder)
    written = pd.read_csv(folder / "verdicts.csv")
    assert written["verdict"].tolist() == verdicts(runs)["verdict"].tolist()
    return (folder / "report.md").read_text()


def tuned(runs: pd.DataFrame, metric: str = "map_at_r") -> pd.Series:
    table = verdicts(runs)
    return table[(table["estimand"] == "tuned") & (table["metric"] == metric)].iloc[0]


def lines_of(report: str, *cells: str) -> list[str]:
    """The rows of the Markdown tables that start with these cells: one for each place."""
    start = "| " + " | ".join(cells) + " | "
    rows = [line for line in report.splitlines() if line.startswith(start)]
    assert len(rows) == 3
    return rows


def claim(runs: pd.DataFrame, name: str) -> str:
    table = claims(runs)
    return str(table[(table["claim"] == name) & (table["dataset"] == "overall")]["verdict"].item())


def test_a_known_effect_is_found_with_its_size(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(1), seeds=13, datasets=("a", "b", "c"), effect=0.06)
    table = verdicts(runs)
    primary = table[table["family"] == "primary"]
    assert set(primary["verdict"]) == {"triplet"}
    assert (primary["difference"] - 0.06).abs().max() < 0.012  # three standard errors
    assert claim(runs, "retrieval") == "supported"
    assert claim(runs, "active ratio") == "contradicted"
    assert "Triplet loss retrieves better" in report_on(runs, tmp_path)


def test_losses_alike_are_equivalent_and_so_are_the_claims(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(2), seeds=13, datasets=("a", "b", "c"), pair_noise=0.001)
    assert set(judged(verdicts(runs))["verdict"]) == {"equivalent"}
    assert set(claims(runs)["verdict"]) == {"equivalent"}
    report = report_on(runs, tmp_path)
    for dataset in ("a", "b", "c"):
        assert all("**equivalent" in line for line in lines_of(report, dataset, "MAP@R", "13"))


def test_two_seeds_give_no_verdict_and_a_report_that_says_why(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(3), seeds=2, effect=0.2)
    assert set(judged(verdicts(runs))["verdict"]) == {"insufficient"}
    assert set(claims(runs)["verdict"]) == {"insufficient"}
    table = judged(verdicts(runs))
    averaged = table[table["estimand"] == "grid average"]
    assert set(averaged["reason"]) == {"2 complete seeds; at least 8 are needed"}
    assert tuned(runs)["reason"] == "2 complete seeds; at least 8 are needed"
    report = report_on(runs, tmp_path)
    assert "no answer yet, 2 complete seeds; at least 8 are needed" in report
    assert all("**insufficient**" in line for line in lines_of(report, "digits", "MAP@R", "2"))


def test_a_loss_that_diverges_often_is_insufficient_and_its_crash_rate_is_shown(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    runs = simulated_runs(rng, seeds=13, effect=0.2)
    crashed = (runs["loss"] == "contrastive") & (rng.random(len(runs)) < 0.4)
    runs.loc[crashed, "diverged"] = True
    runs.loc[crashed, [column for column in runs.columns if "/" in column]] = np.nan
    table = judged(verdicts(runs))
    averaged = table[table["estimand"] == "grid average"]
    assert set(averaged["verdict"]) == {"insufficient"}
    assert averaged["reason"].str.fullmatch(r"\d complete seeds; at least 8 are needed").all()
    assert (table["diverged_second"] > table["diverged_first"]).any()
    assert f"{crashed.sum() / (len(runs) / 2):.1%}" in report_on(runs, tmp_path)


def test_a_condition_that_always_diverges_is_never_chosen(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(5), seeds=13, effect=0.05)
    crashed = (runs["loss"] == "triplet") & (runs["margin"] == 1.0)
    runs.loc[crashed, "val/map_at_r"] += 0.3  # it would win, had it not diverged
    runs.loc[crashed, "diverged"] = True
    runs.loc[crashed, [column for column in runs.columns if "/" in column]] = np.nan
    row = tuned(runs)
    assert "margin 0.2" in row["chosen_first"]
    assert row["budget"] == 4
    assert row["verdict"] == "triplet"
    assert "50.0%" in report_on(runs, tmp_path)


def test_one_missing_pair_drops_its_seed_and_three_leave_no_verdict(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(6), seeds=13, effect=0.2)

    def without(seeds: list[int]) -> pd.DataFrame:
        return runs[~((runs["loss"] == "triplet") & (runs["miner"] == "all") & runs["seed"].isin(seeds))]

    def grid(frame: pd.DataFrame) -> pd.Series:
        table = verdicts(frame)
        return table[(table["estimand"] == "grid average") & (table["metric"] == "map_at_r")].iloc[0]

    assert (grid(without([7]))["n"], grid(without([7]))["verdict"]) == (12, "triplet")
    row = grid(without([7, 8, 9]))
    assert (row["n"], row["verdict"], row["reason"]) == (10, "insufficient", "23% of the pairs are missing")
    lines = report_on(without([7, 8, 9]), tmp_path).splitlines()
    assert any(line.startswith("| digits | MAP@R | 10 | ") and "**insufficient**" in line for line in lines)


@pytest.mark.parametrize(
    ("censored", "expected"), [((0.0, 0.2), "supported"), ((0.9, 0.9), "undecided"), ((0.9, 0.0), "supported")]
)
def test_censored_decay_is_compared_at_the_last_epoch_unless_most_of_both_losses_is_censored(
    censored: tuple[float, float], expected: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    runs = simulated_runs(rng, seeds=13, miners=("all",), margins=(1.0,))  # the same at every place
    triplet = runs["loss"] == "triplet"
    times = np.where(triplet, rng.integers(40, 48, len(runs)), rng.integers(5, 10, len(runs))).astype(float)
    share = np.where(triplet, *censored)
    cut = rng.random(len(runs)) < share
    runs["train/loss_decay_epochs"] = np.where(cut, 50.0, times)
    runs["train/loss_decay_censored"] = cut.astype(float)
    assert claim(runs, "loss decay") == expected
    table = verdicts(runs)
    row = table[(table["metric"] == "loss_decay_epochs") & (table["estimand"] == "default setting")].iloc[0]
    shares = [cut[triplet].mean(), cut[~triplet].mean()]
    assert [row["censored_first"], row["censored_second"]] == shares
    assert (row["reason"] == "over half the runs of both losses never reached it") == (expected == "undecided")
    line = next(line for line in report_on(runs, tmp_path).splitlines() if "the triplet loss takes longer in" in line)
    assert [f"{share:.0%}" for share in shares] == re.findall(r"\d+%", line)
