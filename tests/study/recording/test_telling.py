from __future__ import annotations

import io
from pathlib import Path

import pytest

from study.planning.leaders import Leaders
from study.progress import Progress, TerminalBar
from study.recording import telling
from study.recording.telling import Telling
from study.storage.standing import StandingFile, read_standing
from tests.trainables.test_invariants import ALONE, DIGITS
from trainables.pack import Pack


def test_troubles_are_said_at_once_and_written_down(tmp_path: Path) -> None:
    output = io.StringIO()
    progress = Progress(2, 10.0, TerminalBar(output))
    progress.add(Pack(DIGITS, (ALONE,)), 5.0)
    told = Telling(progress, Leaders(), StandingFile(tmp_path))
    told.reached(0, 1)
    for number in range(30):
        told.trouble(f"trouble {number}")
    assert output.getvalue().count("trouble") == telling._MOST_TROUBLES
    told.finished(0, 4.0, (), {})
    told.ended()
    standing = read_standing(tmp_path)
    assert standing is not None
    assert (standing.runs, standing.planned_runs, standing.packs, standing.running) == (1, 2, 1, 0)
    assert (standing.ended, standing.troubles[-1]) == (True, "trouble 29")


def test_a_storage_that_takes_no_progress_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("study.storage.standing.write_whole", full)
    told = Telling(Progress(1, 1.0, TerminalBar(io.StringIO())), Leaders(), StandingFile(tmp_path))
    told.trouble("x")
    told.ended()


def test_the_leaders_are_shown_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_LEADERS_SECONDS", 0.0)
    output, leaders = io.StringIO(), Leaders()
    monkeypatch.setattr(Leaders, "lines", lambda _: ["digits (mlp): triplet 60.00% (2 seeds)"])
    progress = Progress(1, 1.0, TerminalBar(output))
    progress.add(Pack(DIGITS, (ALONE,)), 5.0)
    Telling(progress, leaders).finished(0, 1.0, (), {})
    assert (
        "leaders so far, by validation MAP@R (provisional: no verdict)\n    digits (mlp): triplet" in output.getvalue()
    )
