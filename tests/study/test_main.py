"""All commands under one name."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.__main__ import main
from study.storage.standing import Standing, StandingFile
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs


def test_an_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runn"]) == 2
    assert main([]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "error"]
    assert "unknown command 'runn': choose from run, status, report, sync" in lines[0]


def test_the_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert [line.split()[0] for line in text.splitlines()[2:6]] == ["run", "status", "report", "sync"]


def test_each_command_reads_its_own_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["run", "--preset", "demo", "--epochs", "0", "--storage", str(tmp_path)]) == 2
    assert main(["sync", "--name", "none", "--storage", str(tmp_path)]) == 2
    assert main(["report", "--study", "none", "--storage", str(tmp_path)]) == 2
    assert main(["status", "--name", "none", "--storage", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in said] == [True] * 4
    assert said[3] == f"error: no study 'none' in {tmp_path}"


def test_the_status_tells_how_far_the_training_is_and_who_leads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import numpy as np

    runs = simulated_runs(np.random.default_rng(0), seeds=3)
    record_study(tmp_path, "s", runs)
    standing = Standing(
        started=1000.0, updated=1060.0, runs=30, planned_runs=90, packs=2, running=1, seconds_left=120.0,
        troubles=("the pack of 3 runs digits triplet all failed\x1b[2J",),
    )  # fmt: skip
    StandingFile(tmp_path / "s").write(lambda: standing)
    assert main(["status", "--name", "s", "--storage", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "not heard of for" in text
    assert f"30 of 90 of that session, 2 packs done, 1 running; {len(runs)} recorded in all" in text
    assert "30 runs a minute, about 0 s left" in text
    assert "\x1b" not in text
    best = runs.groupby(["loss", "seed"])["val/map_at_r"].max().groupby("loss").mean()
    assert "leaders so far, by validation MAP@R (provisional: no verdict)" in text
    for loss, mean in best.items():
        assert f"{loss} {mean:.2%} (3 seeds)" in text
