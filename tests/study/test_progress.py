"""The progress of a study, on terminals and on other outputs."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import TextIO

import pytest

from study.progress import Progress, TerminalBar, duration
from tests.trainables.test_invariants import ALONE, DIGITS
from trainables.pack import Pack


def progress_of(packs: list[Pack], seconds: list[float], output: TextIO) -> Progress:
    progress = Progress(sum(len(pack.members) for pack in packs), sum(seconds), TerminalBar(output))
    for pack, expected in zip(packs, seconds, strict=True):
        progress.add(pack, expected)
    return progress


def to_the_end(output: io.TextIOBase) -> None:
    progress = progress_of([Pack(DIGITS, (ALONE,))], [1.0], output)  # type: ignore[arg-type]
    progress.reached(0, DIGITS.epochs)
    progress.finished(0, 1.0)
    progress.close()


def test_an_output_that_is_not_a_terminal_gets_complete_lines() -> None:
    output = io.StringIO()
    to_the_end(output)
    assert output.getvalue().startswith("  1/1 runs  100%")
    assert output.getvalue().endswith("elapsed  1 packs done, 0 running\n")


def test_an_output_that_is_closed_or_broken_ends_no_training() -> None:
    closed = io.StringIO()
    closed.close()
    to_the_end(closed)
    reading, writing = os.pipe()
    broken = os.fdopen(writing, "w", buffering=1)
    os.close(reading)
    to_the_end(broken)
    try:
        broken.close()
    except BrokenPipeError:
        return
    raise AssertionError("nothing was written, so nothing was tried")


@pytest.fixture
def packs() -> list[Pack]:
    """Two packs of digits and one of another dataset, all of four epochs."""
    digits, other = (replace(DIGITS, dataset=name, epochs=4) for name in ("digits", "synthetic"))
    return [Pack(structure, (ALONE,) * 10) for structure in (digits, digits, other)]


def test_progress_counts_what_packs_are_expected_to_take(packs: list[Pack]) -> None:
    progress = progress_of(packs, [10.0, 10.0, 80.0], io.StringIO())
    progress.reached(0, 2)
    assert progress.fraction() == pytest.approx(0.05)
    progress.reached(2, 4)
    assert progress.fraction() == pytest.approx(0.85)


def test_packs_that_end_correct_what_is_expected_of_the_others_of_their_dataset(packs: list[Pack]) -> None:
    output = io.StringIO()
    progress = progress_of(packs, [10.0, 10.0, 80.0], output)
    progress.finished(0, 12.0)
    assert progress.fraction() == pytest.approx(12 / (12 + 12 + 96)), "nothing else is known of the other dataset"
    assert "as planned" not in output.getvalue()
    progress.finished(2, 240.0)
    assert progress.fraction() == pytest.approx(252 / (12 + 12 + 240))
    assert output.getvalue().count("training takes 2.6 times as long as planned") == 1
    progress.finished(1, 50.0)
    assert progress.fraction() == 1.0
    assert output.getvalue().count("as planned") == 1, "it is said once"
    assert "30/30 runs  100%" in output.getvalue()


def test_where_a_clock_ends_the_training_the_time_that_is_over_counts_unless_less_is_left(packs: list[Pack]) -> None:
    output = io.StringIO()
    progress = Progress(100_000, 1e9, TerminalBar(output), limit=1e6)
    for pack in packs:
        progress.add(pack, 10.0)
    progress.finished(0, 300.0)
    assert 0 < progress.fraction() < 1e-4
    assert "as planned" not in output.getvalue()
    over = Progress(30, 30.0, TerminalBar(output), limit=-5.0)
    over.add(packs[0], 10.0)
    assert over.fraction() == 1.0
    bounded = Progress(10, 10.0, TerminalBar(output), limit=1e6)
    bounded.add(packs[0], 10.0)
    bounded.finished(0, 12.0)
    assert bounded.fraction() == 1.0
    assert "  10 runs  100%" in output.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.4, "4 s"), (65, "1 min 05 s"), (7500, "2 h 05 min"), (260_000, "3.0 days")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
