"""One session of a study: check, plan, train what is missing, record, report."""

from __future__ import annotations

import errno
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

import torch

from analysis.loading import StudyNotFoundError
from analysis.mlflow_client import reason, without_passwords
from analysis.records import records_folder
from analysis.report import build_report, report_folder
from study.checkpoints import CheckpointFolder, fingerprint
from study.config import StudyConfig
from study.estimate import Estimate, estimate
from study.lock import LockedError, only_session
from study.packing import PACKS_PER_GPU, PackRuns, make_packs, pack_id, pack_limits
from study.plan import length_warnings, plan_lines, power_warnings
from study.preparation import Place, device_here, here, is_prepared
from study.progress import Progress, duration
from study.recording import Recorder, make_record
from study.situation import (
    Situation,
    StudyError,
    check_storage,
    connect_mlflow,
    look_around,
    prepare_datasets,
    study_folder,
)
from study.storage import storage_errors
from study.tracking import TrackingError, TrackingSink, browse_hint, is_to_be_made
from trainables.datasets import Dataset, DatasetError
from trainables.history import History
from trainables.provenance import code_version
from trainables.tune_adapter import Order


def run_study(config: StudyConfig, only_plan: bool = False) -> int:
    """Plans, trains what is missing, records it and reports; the exit status tells whether all went well.

    Raises:
        StudyError: If something keeps the study from starting or going on; what is recorded stays.
    """
    if only_plan:
        try:
            return _plan(config)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StudyError(str(error)) from None
    folder = study_folder(config)
    check_storage(folder)
    try:
        with only_session(folder) as still_ours:
            return _session(config, still_ours)
    except LockedError as error:
        raise StudyError(f"{error} is at work on {folder}: wait for it, or give this study another --name") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = f"make room under {config.storage} and run" if full else "mend that and run"
        raise StudyError(f"{error}; what is recorded stays: {remedy} the same command again") from None


def _plan(config: StudyConfig) -> int:
    _show_plan(config, look_around(config))
    return 0


def _session(config: StudyConfig, still_ours: Callable[[], None]) -> int:
    situation = look_around(config)
    estimates = _show_plan(config, situation)
    failures: list[str] = []
    # Opening MLflow, and starting and ending Ray take seconds each, side by side. A file of one's own only takes time,
    # and may take it while the first packs train; another address may be wrong.
    own = config.tracking_uri is None and is_to_be_made(config.mlflow_uri)
    background = ThreadPoolExecutor(1)
    opening = background.submit(connect_mlflow, config)
    with ExitStack() as until_trained:
        until_trained.callback(background.shutdown, wait=False)
        if not own:
            _check_mlflow(opening)
        missing = len(situation.done) < len(situation.runs)
        share = until_trained.enter_context(_ray(config)) if missing else 0.0
        datasets, warnings = prepare_datasets(config, situation, _place(share))
        _warn(warnings)
        recorder = Recorder(records_folder(config.storage, config.name), opening, partial(connect_mlflow, config))
        for record in situation.records:
            recorder.add_recorded(record)
        if missing:
            failures = _train(config, situation, datasets, recorder, estimates, share, still_ours)
        else:
            print("Nothing to train: every run is recorded.")
        still_ours()
        report = background.submit(_build_report, config)
    sink = None
    try:
        sink = recorder.close()
    except TrackingError as error:
        failures.append(f"MLflow is incomplete ({error}); {_sync_hint(config)} fills it from the records")
    still_ours()
    failures += _show_report(config, report, sink)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _sync_hint(config: StudyConfig) -> str:
    options = ["--name", config.name, "--storage", str(config.storage)]
    options += ["--tracking-uri", without_passwords(config.tracking_uri)] if config.tracking_uri else []
    return f"`python -m study.sync {shlex.join(options)}`"


def _show_plan(config: StudyConfig, situation: Situation) -> list[Estimate]:
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
    return estimates


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr, flush=True)


def _packs(
    config: StudyConfig,
    situation: Situation,
    workers: int,
    seconds: Mapping[tuple[str, str], float] | None = None,
    begun: Iterable[Sequence[str]] = (),
) -> list[PackRuns]:
    limits = pack_limits(config, situation.readings)
    return make_packs(situation.runs, situation.done, config.pack_size, workers, limits, seconds, begun)


def _workers_here(gpus_per_pack: float | None) -> int:
    """How many packs this machine would train at once: as many as its GPUs hold, else one a CPU core."""
    return torch.cuda.device_count() * int(1 / gpus_per_pack if gpus_per_pack else PACKS_PER_GPU) or os.cpu_count() or 1


def _check_mlflow(opening: Future[TrackingSink]) -> None:
    try:
        opening.result()
    except TrackingError as error:
        if not error.away:
            raise StudyError(f"--tracking-uri: {error}; start the server, or leave the option out") from None
        _warn([f"{error}; the study goes on, and MLflow is filled from its records when it is back"])


@contextmanager
def _ray(config: StudyConfig) -> Iterator[float]:
    """Ray for as long as it is needed, with the share of a GPU that each pack takes there."""
    from ray.exceptions import RayError

    from study.scheduling import ClusterError, connect, disconnect, gpu_share

    try:
        connect(config.address)
        yield gpu_share(config.gpus_per_pack, local=config.address is None)
    except ClusterError as error:
        raise StudyError(f"--address: {error}") from None
    except RayError as error:
        raise StudyError(f"Ray failed ({reason(error)}); what is recorded stays: run the same command again") from None
    finally:
        disconnect()


def _place(share: float) -> Place:
    """Where frozen backbones run: on the cluster if that has a GPU and this machine has none."""
    if not share or device_here().type == "cuda":
        return here
    from study.remote_backbone import on_cluster

    return partial(on_cluster, share=share)


def _train(
    config: StudyConfig,
    situation: Situation,
    datasets: dict[tuple[str, str], Dataset],
    recorder: Recorder,
    estimates: Sequence[Estimate],
    share: float,
    still_ours: Callable[[], None],
) -> list[str]:
    from study.scheduling import train_packs, workers
    from study.trials import OtherVersionError

    version = code_version()
    snapshots = CheckpointFolder(study_folder(config) / "checkpoints", config.checkpoint_seconds)
    snapshots.clear(version, situation.done)
    seconds_of = {(each.reading.dataset, each.reading.encoder): each.run for each in estimates}
    packs = _packs(config, situation, workers(share), seconds_of, snapshots.begun(version))
    orders = []
    for pack, members in packs:
        keys = [run.key for run in members]
        digest = datasets[pack.structure.reading].digest
        orders.append(Order(pack, pack_id(members), fingerprint(keys, version, digest), version))
    progress = Progress([pack for pack, _ in packs])
    started = time.monotonic()
    busy_seconds, trained = 0.0, 0

    def reached(position: int, epoch: int) -> None:
        still_ours()
        progress.reached(position, epoch)

    def keep(position: int, history: History, seconds: float, device: str) -> None:
        nonlocal busy_seconds, trained
        still_ours()
        pack, members = packs[position]
        busy_seconds, trained = busy_seconds + seconds, trained + len(members)
        digest = datasets[pack.structure.reading].digest
        recorder.add(make_record(members, history, seconds, device, version, digest, config.seeds[0]))
        snapshots.remove(orders[position].name)
        progress.finished(position)

    try:
        failed = train_packs(orders, datasets, snapshots, share, reached, keep)
    except OtherVersionError as error:
        raise StudyError(f"--address: {error}") from None
    finally:
        progress.close()
    seconds_each = busy_seconds / max(trained, 1)
    print(f"Trained {trained} runs in {duration(time.monotonic() - started)}, {seconds_each:.3g} s a run and worker")
    return [f"{_name(packs[position])} failed: {why}" for position, why in failed]


def _name(pack: PackRuns) -> str:
    structure = pack[0].structure
    return f"the pack of {len(pack[1])} runs {structure.dataset} {structure.loss} {structure.miner}"


def _build_report(config: StudyConfig) -> str:
    with storage_errors(config.storage, but=(StudyNotFoundError, ValueError)):
        return build_report(config.name, config.storage, tuning_seeds=config.tuning_seeds)


def _show_report(config: StudyConfig, building: Future[str], sink: TrackingSink | None) -> list[str]:
    """Shows the report and logs it to the study's MLflow run; what of that failed."""
    try:
        shown = building.result()
    except StudyNotFoundError as error:
        print(f"No report: {error}")
        return []
    except ValueError as error:
        return [f"no report could be made: {error}"]
    print(f"\n{shown}")
    print(f"Browse   {browse_hint(config.mlflow_uri, config.name)}")
    if sink is None:
        return []
    try:
        sink.log_report(report_folder(config.storage, config.name))
    except TrackingError as error:
        return [f"the report is not in MLflow ({error}); {_sync_hint(config)} logs it"]
    return []
