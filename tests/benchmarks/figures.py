"""What a benchmark measures, how it is timed, and the file that keeps it."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from study.machine import CORES

_LIBRARIES = ("torch", "numpy", "ray", "faiss-cpu", "pytorch-metric-learning")


@dataclass(frozen=True)
class Figure:
    """One thing that was done in several ways, in turn.

    Attributes:
        what: What was done.
        seconds: How long each way took, each time; the ways by name, this project's first.
    """

    what: str
    seconds: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Measured:
    """All figures of one run of the benchmarks.

    Attributes:
        machine: Its processor, cores and GPU.
        libraries: Their versions.
        day: When, as in 2026-11-27.
        figures: In the order of the table.
    """

    machine: str
    libraries: str
    day: str
    figures: tuple[Figure, ...]


def in_turn(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each way, each time. A slow minute of the machine shall not hit one way alone."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # memory is taken, and libraries are loaded
    for _ in range(repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def measured_here(figures: Sequence[Figure]) -> Measured:
    """Figures with what is known of this machine."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    libraries = ", ".join(f"{name} {number}" for name in _LIBRARIES if (number := _version(name)))
    return Measured(f"{_processor()}, {CORES} cores{gpu}", libraries, f"{datetime.now(UTC):%Y-%m-%d}", tuple(figures))


def write_measured(file: Path, measured: Measured) -> None:
    """Writes figures as JSON, and makes the folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(measured), indent=1) + "\n")


def read_measured(file: Path) -> Measured:
    """What `write_measured` has written."""
    content = json.loads(file.read_text())
    return Measured(**{**content, "figures": tuple(Figure(**figure) for figure in content["figures"])})


def rows(figure: Figure) -> list[tuple[str, str, str]]:
    """For each way its name, its median with the spread, and how many times as long as the first it took."""
    first, *_ = figure.seconds.values()
    found = []
    for name, seconds in figure.seconds.items():
        low, middle, high = (_text(value) for value in (min(seconds), statistics.median(seconds), max(seconds)))
        times = statistics.median(seconds) / statistics.median(first)
        found.append((name, f"{middle} ({low} to {high}, {len(seconds)} times)", f"{times:.2f}"))
    return found


def _text(seconds: float) -> str:
    number, unit = (
        (seconds, "s") if seconds >= 1 else (1e3 * seconds, "ms") if seconds >= 1e-3 else (1e6 * seconds, "us")
    )
    return f"{number:.3g} {unit}" if number < 1000 else f"{number:.0f} {unit}"


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if cpuinfo.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()
