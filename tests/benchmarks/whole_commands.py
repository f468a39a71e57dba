"""How much of a whole command lies outside training and evaluation."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from upath import UPath

from analysis.store.files import study_folder
from analysis.store.records import read_record
from study.machine import CORES
from tests.benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]
_NOT_THEIRS = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")  # the developer's server and cluster
_GRID = ["--datasets", "synthetic", "--search", "grid", "--no-halving", "--synthetic", "samples_per_class=20"]
_GRID += ["--miners", "all", "--lrs", "0.001", "0.003", "--epochs", "1", "--margins"]
SHORT_RUNS = [*_GRID, *(f"{number / 5}" for number in range(1, 26))]  # 100 runs of each seed
COMMANDS = {
    "10,000 runs of one epoch on 200 samples": [*SHORT_RUNS, "--seeds", "100"],
    "the demo": ["--preset", "demo"],
}


def command_figures(repeats: int) -> list[Figure]:
    """Seconds of commands, and of that what the cores spent in packs, on average."""
    figures = []
    for what, options in COMMANDS.items():
        measured = [_measure(options) for _ in range(repeats)]
        whole, packs = ([each[place] for each in measured] for place in (0, 1))
        ways = {"the whole command, report included": whole, f"training and evaluation on each of {CORES} cores": packs}
        figures.append(Figure(what, ways))
    return figures


def _measure(options: list[str]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        places = ["--name", "bench", "--storage", str(folder / "results"), "--cache", str(folder / "prepared")]
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_THEIRS}
        command = [sys.executable, "-m", "study.run", *options, *places]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        if done.returncode:
            sys.exit(f"error: {' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return seconds, packs_seconds(study_folder(folder / "results", "bench")) / CORES


def packs_seconds(study: UPath) -> float:
    """What the packs of a study took, all together."""
    records = [read_record(file) for file in (study / "records").iterdir()]
    return sum(record.finished - record.started for record in records) / 1000
