"""``make bench``, or ``python -m tests.benchmarks``, on an idle machine: takes all figures that this machine allows.

It prints them as a table and writes them to a file, from which ``python -m tests.benchmarks.table`` makes README's.
Nothing is asserted. The time to verdict is a command of its own (`tests.benchmarks.time_to_verdict`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from tests.benchmarks.figures import Figure, measured_here, write_measured
from tests.benchmarks.retrieval_speed import retrieval_figures
from tests.benchmarks.table import table
from tests.benchmarks.training_speed import gpu_figures, head_figures, run_figures, step_figures
from tests.benchmarks.whole_commands import ROOT, command_figures

KINDS: dict[str, Callable[[int], list[Figure]]] = {
    "retrieval": retrieval_figures,
    "step": step_figures,
    "run": run_figures,
    "heads": head_figures,
    "gpu": gpu_figures,
    "commands": command_figures,
}


def main(texts: Sequence[str] | None = None) -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*KINDS], default=[*KINDS], help="kinds of figures")
    parser.add_argument("--repeats", type=int, default=5, help="times that each way is taken")
    parser.add_argument("--command-repeats", type=int, default=3, help="times that whole commands are run")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench.json", help="file of the figures")
    arguments = parser.parse_args(texts)
    if min(arguments.repeats, arguments.command_repeats) < 1:
        parser.error("--repeats and --command-repeats must be at least 1")
    torch.set_num_threads(1)  # as in a trial
    kinds = {name: partial(take, arguments.repeats) for name, take in KINDS.items()}
    kinds["commands"] = partial(command_figures, arguments.command_repeats)
    figures = []
    for name in arguments.only:
        figures += kinds[name]()
        write_measured(arguments.out, measured_here(figures))
    print(table(measured_here(figures)))


if __name__ == "__main__":
    main()
