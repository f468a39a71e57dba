"""``python -m study.run``: from one command to verdicts."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.records import BrokenRecordError, PackRecord, read_records, records_folder
from study.config import DEFAULT_PRESET, ConfigError, StudyConfig, load_config, preset_names

_LISTS = ("datasets", "losses", "miners", "margins", "lrs", "seeds")
_VALUES = (
    "epochs",
    "batch_size",
    "sampler",
    "embedding_dim",
    "pack_size",
    "name",
    "storage",
    "tracking_uri",
    "address",
)


class StudyError(RuntimeError):
    """Why a study cannot go on, in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    options = vars(_parser().parse_args(arguments))
    preset, file, only_plan = options.pop("preset"), options.pop("config"), options.pop("plan")
    given = {name: value for name, value in options.items() if value is not None}
    given.setdefault("tracking_uri", os.environ.get("MLFLOW_TRACKING_URI") or None)
    given.setdefault("address", os.environ.get("RAY_ADDRESS") or None)
    given = {name: value for name, value in given.items() if value is not None}
    try:
        config = load_config(preset, file, given)
        return run_study(config, only_plan)
    except (ConfigError, StudyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on where this one ended", file=sys.stderr)
        return 130


def run_study(config: StudyConfig, only_plan: bool = False) -> int:
    """Plans, trains what is missing, records it, and reports.

    Raises:
        StudyError: If something outside the study keeps it from going on.
    """
    from study.grid import expand, make_packs
    from study.plan import plan_lines, power_warnings

    _check_storage(config.storage)
    runs = expand(config)
    wanted = {run.key for run in runs}
    recorded, warnings = _recorded(records_folder(config.storage, config.name))
    done = {run.key for record in recorded for run in record.runs} & wanted
    workers = _workers_here()
    packs = make_packs(runs, done, config.pack_size, workers)

    datasets = _load_datasets(config, recorded) if packs else {}
    seconds = None
    if packs:
        from study.estimate import estimate_seconds

        seconds = estimate_seconds([pack for pack, _ in packs], datasets, workers)
    print("\n".join(plan_lines(config, runs, len(done), len(packs), workers, seconds)), flush=True)
    for warning in [*warnings, *power_warnings(config)]:
        print(f"warning: {warning}", file=sys.stderr, flush=True)
    if only_plan:
        return 0
    return _train_and_report(config, runs, done, recorded, datasets)


def _train_and_report(
    config: StudyConfig, runs: list[Any], done: set[str], recorded: list[PackRecord], datasets: dict[str, Any]
) -> int:
    from study.recording import Recorder
    from study.tracking import TrackingError, default_uri, open_sink, ui_command

    uri = config.tracking_uri or default_uri(config.storage)
    try:
        sink = open_sink(uri, config.name)
    except TrackingError as error:
        raise StudyError(f"{error}; start the server or leave --tracking-uri out") from None
    recorder = Recorder(records_folder(config.storage, config.name), sink)
    for record in recorded:
        recorder.add_recorded(record)

    failures: list[str] = []
    if len(done) < len(runs):
        failures = _train(config, runs, done, datasets, recorder)
    else:
        print("Nothing to train: every run is recorded.")
    untracked = recorder.close()
    if untracked:
        failures.append(f"MLflow is incomplete ({untracked}); run the same command again to fill it from the records")

    _report(config)
    print(f"\nBrowse:  {ui_command(uri, config.name)}")
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _train(config: StudyConfig, runs: list[Any], done: set[str], datasets: dict[str, Any], recorder: Any) -> list[str]:
    from study.grid import make_packs
    from study.progress import Progress, duration
    from study.provenance import code_version
    from study.recording import make_record
    from study.scheduling import ClusterError, connect, train_packs, workers

    try:
        connect(config.address)
    except ClusterError as error:
        raise StudyError(str(error)) from None
    packs = make_packs(runs, done, config.pack_size, workers())
    version = code_version()
    progress = Progress([pack for pack, _ in packs])
    started = time.monotonic()
    training_seconds = 0.0

    def keep(position: int, history: Any, seconds: float) -> None:
        nonlocal training_seconds
        training_seconds += seconds
        pack, members = packs[position]
        recorder.add(make_record(members, history, version, datasets[pack.structure.dataset].digest))
        progress.finished(position)

    scratch = config.storage / config.name / "ray"
    try:
        failed = train_packs([pack for pack, _ in packs], datasets, scratch, progress.reached, keep)
    except OSError as error:
        raise StudyError(
            f"cannot write under {config.storage}: {error.strerror or error}; what is recorded stays; "
            "make room and run the same command again"
        ) from None
    progress.close()
    count = sum(len(members) for _, members in packs)
    elapsed = time.monotonic() - started
    print(f"Trained {count} runs in {duration(elapsed)} ({training_seconds / count:.2f} s of one worker each).")
    return [f"pack {packs[position][0].structure} failed: {reason}" for position, reason in failed]


def _report(config: StudyConfig) -> None:
    from analysis.loading import load_study
    from analysis.report import report_folder, write_report
    from analysis.tables import terminal_table
    from analysis.verdict_table import verdicts

    frame = load_study(config.name, config.storage)
    table = verdicts(frame)
    folder = report_folder(config.storage, config.name)
    write_report(config.name, frame, table, folder)
    print()
    print(terminal_table(table))
    print(f"\nReport:  {folder / 'report.md'}")


def _recorded(folder: Path) -> tuple[list[PackRecord], list[str]]:
    records, warnings = [], []
    for record in read_records(folder):
        if isinstance(record, BrokenRecordError):
            warnings.append(str(record))
        else:
            records.append(record)
    return records, warnings


def _load_datasets(config: StudyConfig, recorded: list[PackRecord]) -> dict[str, Any]:
    from trainables.datasets import load_dataset

    return {name: load_dataset(name, config.synthetic) for name in config.datasets}


def _workers_here() -> int:
    """How many packs this machine would train at once: one a GPU, else one a CPU core."""
    import torch

    return torch.cuda.device_count() or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _check_storage(storage: Path) -> None:
    probe = storage / f".writable.{os.getpid()}"
    try:
        storage.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise StudyError(f"--storage: cannot write under {storage} ({reason}): choose another folder") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m study.run",
        description="Compares contrastive and triplet loss: trains the runs that a study lacks, then reports verdicts.",
    )
    parser.add_argument("--preset", help=f"{', '.join(preset_names())} (default: {DEFAULT_PRESET})")
    parser.add_argument("--config", type=Path, metavar="FILE.yaml", help="fields of a study; options override it")
    for name in _LISTS:
        parser.add_argument(_flag(name), nargs="+", help=_help(name))
    for name in _VALUES:
        parser.add_argument(_flag(name), help=_help(name))
    parser.add_argument("--normalize", action=argparse.BooleanOptionalAction, help=_help("normalize"))
    parser.add_argument("--plan", action="store_true", help="print the plan and stop")
    return parser


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _help(name: str) -> str:
    return str(StudyConfig.model_fields[name].description).replace("%", "%%")


if __name__ == "__main__":
    sys.exit(main())
