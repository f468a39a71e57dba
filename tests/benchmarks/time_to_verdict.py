"""Time to verdict: the demo's search with this project's command, and in the plain way of Ray Tune, Optuna and MLflow.

``make bench``, or ``python -m tests.benchmarks.time_to_verdict``, on an idle machine. ``--help`` lists what makes it
small. Nothing is asserted: it prints a report in Markdown, and writes it to a file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from study.command import read_command
from study.config.loading import ConfigError
from study.config.model import StudyConfig
from study.config.searches import DEFAULT_SETTINGS
from tests.benchmarks.plain_search import Searched, read_searched
from tests.benchmarks.recorded_searches import RecordedSearches, read_searches
from tests.benchmarks.verdict_report import OwnTimes, PlainTimes, report

ROOT = Path(__file__).parents[2]
_NOT_THEIRS = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")  # the developer's server and cluster


@dataclass(frozen=True)
class Way:
    """A way to search.

    Attributes:
        letter: What tables call it.
        halving: Whether it stops runs early.
        plain: Whether it is the plain way, of which a sample is timed, and not this project's command.
    """

    letter: str
    halving: bool
    plain: bool


WAYS = (Way("a", True, False), Way("b", False, False), Way("c", True, True), Way("d", False, True))


@dataclass
class Measured:
    """What was measured of one way: seconds of each whole command, and what the last one did."""

    seconds: list[float] = field(default_factory=list)
    recorded: RecordedSearches | None = None
    sample: list[Searched] = field(default_factory=list)


def order(letters: Sequence[str], repeats: int) -> list[str]:
    """The first letter so often, and the others once between: a slow quarter of an hour shall not hit one way alone."""
    first, *others = letters
    places = [(turn / repeats, first) for turn in range(repeats)]
    places += [((place + 0.5) / len(others), letter) for place, letter in enumerate(others)]
    return [letter for _, letter in sorted(places)]


def options_of(way: Way, arguments: argparse.Namespace, folder: Path) -> list[str]:
    """The options of ``study.run`` that describe the search; both ways read them."""
    numbers = {"settings": arguments.settings, "seeds": arguments.seeds, "epochs": arguments.epochs}
    places = {"name": f"bench-{way.letter}", "storage": folder / "results", "cache": folder / "prepared"}
    given = [text for name, value in {**numbers, **places}.items() for text in (f"--{name}", str(value))]
    return ["--preset", "demo", "--search", "sobol", *given, "--halving" if way.halving else "--no-halving"]


def measure(way: Way, arguments: argparse.Namespace, measured: Measured) -> None:
    """Runs the command of a way in a folder of its own, and takes its time.

    Raises:
        SystemExit: If the command fails, with the end of what it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        options, file = options_of(way, arguments, folder), folder / "sample.json"
        plain = ["tests.benchmarks.plain_search", str(file), str(arguments.sample)]
        command = [sys.executable, "-m", *(plain if way.plain else ["study.run"]), *options]
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_THEIRS}
        with (folder / "output.txt").open("w+") as output:
            started = time.perf_counter()
            done = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
            )
            seconds = time.perf_counter() - started
            output.seek(0)
            written = output.read()
        if done.returncode:
            sys.exit(f"error: {' '.join(command)} ended with {done.returncode}:\n{written[-2000:]}")
        print(f"({way.letter}) {seconds:.1f} s", file=sys.stderr, flush=True)
        measured.seconds.append(seconds)
        if way.plain:
            measured.sample = read_searched(file)
        else:
            measured.recorded = read_searches(f"bench-{way.letter}", folder / "results")


def results(
    measured: dict[str, Measured], config: StudyConfig, sampled: int
) -> tuple[dict[str, OwnTimes], dict[str, PlainTimes]]:
    """What the report is made of."""
    own, plain = {}, {}
    for letter, each in measured.items():
        if each.recorded is not None:
            own[letter] = OwnTimes(tuple(each.seconds), each.recorded)
        elif each.sample:
            plain[letter] = PlainTimes(each.seconds[-1], tuple(each.sample), len(config.seeds) / sampled)
    return own, plain


def read_arguments(texts: Sequence[str] | None) -> argparse.Namespace:
    """The options of this command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.time_to_verdict", description=__doc__)
    parser.add_argument("--seeds", type=int, default=13, help="of the study")
    parser.add_argument("--settings", type=int, default=DEFAULT_SETTINGS, help="that each seed tries for each loss")
    parser.add_argument("--epochs", type=int, default=50, help="of a run that is not stopped")
    parser.add_argument("--sample", type=int, default=1, help="seeds for which the plain ways search")
    parser.add_argument("--repeats", type=int, default=3, help="times that (a) is run; the others are run once")
    parser.add_argument("--only", default="abcd", help="letters of the ways to measure, such as ab")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "time_to_verdict.md", help="file of the report")
    arguments = parser.parse_args(texts)
    if min(arguments.seeds, arguments.sample, arguments.repeats) < 1:
        parser.error("--seeds, --sample and --repeats must be at least 1")
    if not any(way.letter in arguments.only for way in WAYS):
        parser.error(f"--only {arguments.only}: give letters of {''.join(way.letter for way in WAYS)}")
    return arguments


def main(texts: Sequence[str] | None = None) -> None:
    """Measures, prints the report and writes it to a file."""
    arguments = read_arguments(texts)
    try:
        config, _ = read_command(options_of(WAYS[0], arguments, Path("nowhere")))
    except ConfigError as error:
        sys.exit(f"error: {error}")
    ways = {way.letter: way for way in WAYS if way.letter in arguments.only}
    measured = {letter: Measured() for letter in ways}
    for letter in order(list(ways), arguments.repeats if "a" in ways else 1):
        measure(ways[letter], arguments, measured[letter])
    text = report(config, *results(measured, config, min(arguments.sample, len(config.seeds))))
    print(text)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text)


if __name__ == "__main__":
    main()
