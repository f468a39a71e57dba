"""One session of a study: check, plan, train what is missing, record, report."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from analysis.records import BrokenRecordError, PackRecord, read_records, records_folder
from analysis.report import build_report, report_folder
from study.config import StudyConfig
from study.estimate import estimate
from study.grid import Run, expand, make_packs, pack_limits
from study.plan import length_warnings, plan_lines, power_warnings
from study.preparation import is_prepared, prepare
from study.progress import Progress, duration
from study.provenance import code_version
from study.readings import Reading, ReadingsError, find_readings
from study.recording import Recorder, make_record
from study.tracking import TrackingError, TrackingSink, browse_hint, default_uri, open_sink
from trainables.datasets import Dataset, DatasetError
from trainables.history import History
from trainables.spec import Pack


class StudyError(RuntimeError):
    """Why a study cannot go on, in one line."""


@dataclass(frozen=True)
class Situation:
    """What a study wants and what it has.

    Attributes:
        readings: The datasets as the study reads them.
        runs: All runs of the configuration.
        done: Keys of those that are recorded.
        records: Every readable record of the study, of this configuration or of others.
        warnings: What was wrong with the rest.
    """

    readings: list[Reading]
    runs: list[Run]
    done: set[str]
    records: list[PackRecord]
    warnings: list[str]

    @property
    def needed(self) -> list[Reading]:
        """The readings of the runs that are not recorded."""
        missing = {run.structure.reading for run in self.runs if run.key not in self.done}
        return [reading for reading in self.readings if (reading.dataset, reading.encoder) in missing]


def run_study(config: StudyConfig, only_plan: bool = False) -> int:
    """Plans, trains what is missing, records it and reports; the exit status tells whether all went well.

    Raises:
        StudyError: If something keeps the study from starting or going on; what is recorded stays.
    """
    if only_plan:
        try:
            return _session(config, only_plan)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StudyError(str(error)) from None
    _check_storage(config.storage)
    folder = config.storage / config.name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _session(config, only_plan)
    except Timeout:
        raise StudyError(
            f"another process is at work on {folder}: wait for it, or give this study another --name"
        ) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = f"make room under {config.storage} and run" if full else "mend that and run"
        raise StudyError(f"{error}; what is recorded stays: {remedy} the same command again") from None


def _session(config: StudyConfig, only_plan: bool) -> int:
    situation = _look_around(config)
    folder = config.storage / config.name
    with ThreadPoolExecutor(1) as background:
        # Opening the database and measuring the speed take seconds each, and one does not need the other.
        opening = None if only_plan else background.submit(open_sink, _uri(config), config.name, folder / "artifacts")
        _print_plan(config, situation)
        sink = _opened(opening)
    if sink is None:
        return 0

    datasets = _prepare(config, situation)
    recorder = Recorder(records_folder(config.storage, config.name), sink)
    for record in situation.records:
        recorder.add_recorded(record)
    failures: list[str] = []
    if len(situation.done) < len(situation.runs):
        failures = _train(config, situation, datasets, recorder)
    else:
        print("Nothing to train: every run is recorded.")
    untracked = recorder.close()
    if untracked:
        failures.append(f"MLflow is incomplete ({untracked}); run the same command again to fill it from the records")
    failures += _report(config, sink)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _uri(config: StudyConfig) -> str:
    return config.tracking_uri or default_uri(config.storage)


def _check_storage(storage: Path) -> None:
    probe = storage / f".writable.{os.getpid()}"
    try:
        storage.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StudyError(f"--storage: cannot write under {storage} ({reason}): choose another folder") from None


def _look_around(config: StudyConfig) -> Situation:
    try:
        readings, warnings = find_readings(config)
    except ReadingsError as error:
        raise StudyError(str(error)) from None
    records = []
    for record in read_records(records_folder(config.storage, config.name)):
        if isinstance(record, BrokenRecordError):
            warnings.append(str(record))
        else:
            records.append(record)
    runs = expand(config, readings)
    recorded = {run.key for record in records for run in record.runs}
    done = recorded & {run.key for run in runs}
    versions = {run.tags["code_version"] for record in records for run in record.runs if run.key in done}
    here = code_version()
    if versions - {here}:
        warnings.append(
            f"recorded runs were trained by other code ({', '.join(sorted(versions))}; this is {here}): "
            "for results of one version, give the study another --name"
        )
    return Situation(readings, runs, done, records, warnings)


def _prepare(config: StudyConfig, situation: Situation) -> dict[tuple[str, str], Dataset]:
    """The datasets of the runs that are missing; those of recorded runs must be as they were.

    What is recorded whole and is not in the cache is not prepared just to be compared.
    """
    needed, others = situation.needed, [r for r in situation.readings if r not in situation.needed]
    at_hand = [reading for reading in others if is_prepared(reading, config.cache)]
    try:
        datasets, warnings = prepare([*needed, *at_hand], config.cache, config.synthetic)
    except DatasetError as error:
        raise StudyError(str(error)) from None
    _warn(warnings)
    _warn(
        f"{reading.dataset} ({reading.encoder}) was not compared with the data of its recorded runs: it is not in "
        f"{config.cache}, or its files have changed since"
        for reading in others
        if reading not in at_hand
    )
    wanted = {run.key: run.structure.reading for run in situation.runs}
    for record in situation.records:
        for run in record.runs:
            dataset = datasets.get(wanted.get(run.key, ("", "")))
            if dataset is not None and run.tags["data_digest"] != dataset.digest:
                raise StudyError(
                    f"the data of {dataset.name!r} are not those of the recorded runs (digest {dataset.digest}, "
                    f"recorded {run.tags['data_digest']}): give this study another --name"
                )
    return datasets


def _print_plan(config: StudyConfig, situation: Situation) -> None:
    workers = _workers_here(config.gpus_per_pack)
    packs = [pack for pack, _ in _packs(config, situation, workers)]
    unprepared = [reading for reading in situation.needed if not is_prepared(reading, config.cache)]
    try:
        estimates = estimate(packs, situation.needed, unprepared)
    except DatasetError as error:  # an image that was tried is broken
        raise StudyError(str(error)) from None
    lines = plan_lines(config, situation.runs, len(situation.done), len(packs), workers, estimates)
    print("\n".join(lines), flush=True)
    gpu = torch.cuda.is_available() or config.address is not None
    _warn(situation.warnings)
    _warn(power_warnings(config, len(situation.readings)))
    _warn(length_warnings(estimates, len(packs), workers, gpu))


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr, flush=True)


def _packs(config: StudyConfig, situation: Situation, workers: int) -> list[tuple[Pack, list[Run]]]:
    limits = pack_limits(config, situation.readings)
    return make_packs(situation.runs, situation.done, config.pack_size, workers, limits)


def _workers_here(gpus_per_pack: float) -> int:
    """How many packs this machine would train at once: as many as its GPUs hold, else one a CPU core."""
    return int(torch.cuda.device_count() / gpus_per_pack) or os.cpu_count() or 1


def _opened(opening: Future[TrackingSink] | None) -> TrackingSink | None:
    try:
        return opening.result() if opening else None
    except TrackingError as error:
        raise StudyError(f"--tracking-uri: {error}; start the server, or leave the option out") from None


def _train(
    config: StudyConfig, situation: Situation, datasets: dict[tuple[str, str], Dataset], recorder: Recorder
) -> list[str]:
    from study.scheduling import ClusterError, connect, disconnect, train_packs, workers

    try:
        connect(config.address)
    except ClusterError as error:
        raise StudyError(f"--address: {error}") from None
    packs = _packs(config, situation, workers(config.gpus_per_pack))
    version = code_version()
    progress = Progress([pack for pack, _ in packs])
    started = time.monotonic()
    busy_seconds, trained = 0.0, 0

    def keep(position: int, history: History, seconds: float) -> None:
        nonlocal busy_seconds, trained
        pack, members = packs[position]
        busy_seconds, trained = busy_seconds + seconds, trained + len(members)
        digest = datasets[pack.structure.reading].digest
        recorder.add(make_record(members, history, seconds, version, digest, config.seeds[0]))
        progress.finished(position)

    scratch = config.storage / config.name / "ray"
    try:
        failed = train_packs(
            [pack for pack, _ in packs], datasets, scratch, config.gpus_per_pack, progress.reached, keep
        )
    finally:
        progress.close()
        disconnect()
    seconds_each = busy_seconds / max(trained, 1)
    print(f"Trained {trained} runs in {duration(time.monotonic() - started)}, {seconds_each:.2f} s a run and worker")
    return [f"{_name(packs[position][1])} failed: {reason}" for position, reason in failed]


def _name(runs: Sequence[Run]) -> str:
    structure = runs[0].structure
    return f"the pack of {len(runs)} runs {structure.dataset} {structure.loss} {structure.miner}"


def _report(config: StudyConfig, sink: TrackingSink) -> list[str]:
    """Writes and shows the report, and logs it to the study's MLflow run; what of that failed."""
    try:
        shown = build_report(config.name, config.storage, tuning_seeds=config.tuning_seeds)
    except LookupError as error:
        print(f"No report: {error}")
        return []
    print(f"\n{shown}")
    print(f"Browse   {browse_hint(_uri(config), config.name)}")
    try:
        sink.log_report(report_folder(config.storage, config.name))
    except TrackingError as error:
        return [f"the report is not in MLflow ({error}); run the same command again to log it"]
    return []
