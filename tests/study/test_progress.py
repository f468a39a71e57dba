"""The bar, where somebody watches it and where nobody does any more."""

from __future__ import annotations

import io
import os

from study.progress import Progress
from tests.trainables.test_invariants import ALONE, DIGITS
from trainables.spec import Pack


def to_the_end(stream: io.TextIOBase) -> None:
    progress = Progress([Pack(DIGITS, (ALONE,))], stream)  # type: ignore[arg-type]
    progress.reached(0, DIGITS.epochs)
    progress.finished(0)
    progress.close()


def test_a_stream_that_is_no_terminal_gets_whole_lines() -> None:
    stream = io.StringIO()
    to_the_end(stream)
    assert stream.getvalue().startswith("  1/1 runs  100%")
    assert stream.getvalue().endswith("elapsed\n")


def test_a_stream_that_is_closed_or_broken_ends_no_training() -> None:
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
