from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from study.command import read_command
from tests.benchmarks.plain_search import Searched, check_plain, rungs_of
from tests.benchmarks.recorded_searches import RecordedSearches
from tests.benchmarks.time_to_verdict import WAYS, options_of, order, read_arguments
from tests.benchmarks.verdict_report import OwnTimes, PlainTimes, report


def test_what_is_repeated_stands_between_what_is_not() -> None:
    assert order("abcd", 3) == ["a", "b", "a", "c", "a", "d"]
    assert order("ab", 3) == ["a", "a", "b", "a"]
    assert order("d", 1) == ["d"]


def test_a_plain_run_is_validated_where_asha_may_stop_it() -> None:
    halving, whole = (
        read_command(options_of(way, read_arguments([]), Path("somewhere")))[0] for way in (WAYS[2], WAYS[3])
    )
    assert rungs_of(halving) == (3, 9, 27, 50)
    assert rungs_of(whole) == (50,)


def test_the_plain_way_takes_the_demo_and_refuses_what_it_cannot_do() -> None:
    check_plain(read_command(["--preset", "demo"])[0])
    for odd in (["--normalize"], ["--miners", "hard"], ["--datasets", "mnist"]):
        with pytest.raises(ValueError, match="not so"):
            check_plain(read_command(["--preset", "demo", *odd])[0])


def test_a_sample_is_scaled_by_its_searches_and_starts_once() -> None:
    sample = (
        Searched("digits", "triplet", 0, 30.0, 18, 400, 0.9),
        Searched("digits", "triplet", 1, 10.0, 18, 300, 0.8),
    )
    times = PlainTimes(55.0, sample, scale=6.5)
    assert times.whole == pytest.approx(15 + 6.5 * 40)
    assert (times.runs, times.epochs) == (36, 700)


def test_the_report_compares_the_ways_that_were_measured() -> None:
    arguments = read_arguments(["--seeds", "2", "--settings", "8", "--epochs", "9"])
    config, _ = read_command(options_of(WAYS[0], arguments, Path("somewhere")))
    keys = pd.MultiIndex.from_product([["digits"], ["triplet"], [0, 1]], names=["dataset", "loss", "seed"])
    halved = RecordedSearches(26, 54, pd.Series([0.5, 0.6], keys))
    whole = RecordedSearches(18, 162, pd.Series([0.52, 0.62], keys))
    own = {"a": OwnTimes((31.0, 29.0, 40.0), halved), "b": OwnTimes((62.0,), whole)}
    plain = {"d": PlainTimes(100.0, (Searched("digits", "triplet", 0, 80.0, 9, 81, 0.55),), 2.0)}
    lines = report(config, own, plain).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    times = {row[0][:3]: row[1:5] for row in rows if row[0].startswith("(")}
    assert times == {
        "(a)": ["31 s", "1.0 x", "26", "54"],
        "(b)": ["1 min 02 s", "2.0 x", "18", "162"],
        "(d)": ["3 min 00 s", "5.8 x", "18", "162"],
    }
    assert ["digits", "triplet", "2", "55.00", "57.00", "-2.00 [-2.00, -2.00]"] in rows
    assert ["digits", "triplet", "1", "50.00", "52.00", "55.00"] in rows
    assert "3.00 times as many" in report(config, own, plain)
    assert "What each way chose" not in report(config, own, {})
