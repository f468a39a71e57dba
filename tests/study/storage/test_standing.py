from __future__ import annotations

from pathlib import Path

import pytest

from study.planning.status import standing_lines
from study.storage.standing import FILE, Standing, StandingFile, read_standing

HALF = Standing(started=0.0, updated=60.0, runs=50, planned_runs=100, packs=3, running=2, seconds_left=60.0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    StandingFile(tmp_path).write(lambda: HALF)
    assert read_standing(tmp_path) == HALF
    assert HALF.runs_a_minute == 50


def test_it_is_written_from_time_to_time_and_at_the_end(tmp_path: Path) -> None:
    file, later = StandingFile(tmp_path), HALF.model_copy(update={"runs": 60})
    file.write(lambda: HALF)
    file.write(lambda: later)
    assert read_standing(tmp_path) == HALF
    file.write(lambda: later, at_once=True)
    assert read_standing(tmp_path) == later


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"started": NaN}', HALF.model_dump_json().replace("50", "-1"), "x" * (1 << 17)]
)
def test_a_file_that_cannot_be_one_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert read_standing(tmp_path) is None
    assert read_standing(tmp_path / "elsewhere") is None


def test_many_long_troubles_are_cut(tmp_path: Path) -> None:
    troubles = tuple(f"{number} " + "x" * 1000 for number in range(100))
    StandingFile(tmp_path).write(lambda: Standing(**{**HALF.model_dump(), "troubles": troubles}))
    kept = read_standing(tmp_path)
    assert kept is not None
    assert (len(kept.troubles), kept.troubles[-1][:3]) == (20, "99 ")


@pytest.mark.parametrize(
    ("standing", "now", "said"),
    [
        (None, 0.0, ["no session has been heard of; 7 runs are recorded"]),
        (HALF, 65.0, ["going on, heard of 5 s ago", "2 running; 7 recorded", "50 runs a minute, about 55 s left"]),
        (HALF, 1000.0, ["not heard of for 15 min 40 s: it was killed"]),
        (HALF.model_copy(update={"ended": True}), 90.0, ["ended 30 s ago", "3 packs done; 7 recorded"]),
    ],
)
def test_the_status_is_said_in_words(standing: Standing | None, now: float, said: list[str]) -> None:
    text = "\n".join(standing_lines(standing, 7, now))
    assert all(words in text for words in said), text
