"""One session of a study: plan, train what is missing, record, report."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

from ray.exceptions import RayError
from ray.tune import TuneError
from upath import UPath

from analysis.plain_text import message_text
from analysis.report.build import Study, report_on, understand
from analysis.report.files import report_folder
from analysis.store.files import study_folder
from analysis.store.loading import StudyNotFoundError
from analysis.store.mlflow_client import reason
from analysis.store.records import records_folder
from study.cluster.connection import ClusterError, choose_gpus_per_pack, connect, disconnect
from study.cluster.head_watch import ended_if_head_dies
from study.cluster.remote_backbone import run_on_cluster
from study.config.model import StudyConfig
from study.data.preparation import BackboneRunner, fault_text, run_here
from study.errors import StudyError
from study.machine import CORES, local_device, local_gpus
from study.output.voice import TERMINAL, Voice
from study.planning.estimate import Estimate, estimate
from study.planning.packing import PACKS_PER_GPU, largest_packs
from study.planning.ranges import range_warnings
from study.planning.wording import length_warnings, plan_lines, power_warnings
from study.recording.browsing.addresses import browse_text, run_addresses
from study.recording.browsing.browse import write_browsing, write_watching
from study.recording.browsing.views import View
from study.recording.mlflow_connection import connect_mlflow, is_new_database, sync_hint
from study.recording.mlflow_sink import TrackingError, TrackingSink
from study.recording.recorder import Recorder
from study.recording.report_artifacts import RefusedAddressError
from study.recording.search_log import SearchLog
from study.state import StudyState, prepare_datasets, read_state
from study.storage.errors import storage_errors
from study.storage.folder import check_storage, clear_half_made
from study.storage.lock import LockedError, only_session
from study.storage.standing import clear_standing
from study.training import ResultKeeper, plan_packs, plan_training, train
from trainables.datasets.errors import DatasetError
from trainables.devices import is_out_of_memory, release_memory


def run_study(
    config: StudyConfig, only_plan: bool = False, started: float | None = None, voice: Voice = TERMINAL
) -> int:
    """Plans, trains what is missing, records it and reports.

    Args:
        config: The study.
        only_plan: Whether to plan alone.
        started: When the command did, by `time.monotonic`; now if not given. `hours` count from there.
        voice: Says how it goes on.

    Returns:
        The exit status: 0, or 1 if something failed on the way.

    Raises:
        StudyError: If the study cannot start or continue. What is recorded stays.
    """
    if only_plan:
        return _plan_only(config, voice)
    started = time.monotonic() if started is None else started
    folder = study_folder(config.storage, config.name)
    check_storage(folder)
    with _storage_errors_in_words(config, folder), only_session(folder) as raise_if_taken_over:
        clear_half_made(folder)
        clear_standing(folder)
        return _run_session(config, started, raise_if_taken_over, voice)


def _plan_only(config: StudyConfig, voice: Voice) -> int:
    try:
        _show_plan(config, read_state(config, only_plan=True), voice)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StudyError(str(error)) from None
    return 0


@contextmanager
def _storage_errors_in_words(config: StudyConfig, folder: UPath) -> Iterator[None]:
    try:
        yield
    except LockedError as error:
        raise StudyError(f"{error} is at work on {folder}: wait for it, or give this study another --name") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = f"make room under {config.storage} and run" if full else "mend that and run"
        raise StudyError(f"{error}; what is recorded stays: {remedy} the same command again") from None


def _run_session(config: StudyConfig, started: float, raise_if_taken_over: Callable[[], None], voice: Voice) -> int:
    state = read_state(config)
    estimates = _show_plan(config, state, voice)
    failures: list[str] = []
    # A new file of MLflow's is made while the first packs train. Any other address may be wrong, and is checked before.
    makes_new_file = config.tracking_uri is None and is_new_database(config.mlflow_uri)
    # Opening MLflow, starting Ray and ending Ray take seconds each. MLflow and the report run in a second thread.
    background = ThreadPoolExecutor(1)
    opening = background.submit(connect_mlflow, config)
    with ExitStack() as until_trained:
        until_trained.callback(background.shutdown, wait=False)
        if not makes_new_file:
            _check_mlflow(opening, voice)
        gpus_per_pack = 0.0 if state.is_complete else until_trained.enter_context(_ray(config, voice))
        with _own_gpu_given_back():
            datasets, warnings = prepare_datasets(config, state, _backbone_runner(gpus_per_pack), voice)
        _warn(warnings, voice)
        connect_again = partial(connect_mlflow, config)
        records = records_folder(config.storage, config.name)
        announce = partial(write_watching, uri=config.mlflow_uri, study=config.name)
        recorder = Recorder(
            *(records, opening, connect_again), raise_if_taken_over=raise_if_taken_over, announce=announce
        )
        until_trained.push(recorder.stop_on_error)
        for record in state.records:
            recorder.add_recorded(record)
        searches = SearchLog(study_folder(config.storage, config.name))
        searches.add({name: own for each in state.cohorts for name, own in each.trials(state.scores).items()})
        if state.is_complete:
            voice.say("Nothing to train: every run is recorded.")
        else:
            training = plan_training(config, state, estimates, datasets, gpus_per_pack, searches, started)
            keeper = ResultKeeper(training, recorder, config.seeds[0], raise_if_taken_over, voice)
            failures = train(training, keeper)
        searches.write()
        raise_if_taken_over()
        report = background.submit(_build_report, config, opening)
    sink = None
    try:
        sink = recorder.close()
    except TrackingError as error:
        failures.append(f"MLflow is incomplete ({error}); {sync_hint(config)} fills it from the records")
    raise_if_taken_over()
    failures += _show_report(config, report, sink, voice)
    for failure in failures:
        voice.fail(failure)
    return 1 if failures else 0


def _show_plan(config: StudyConfig, state: StudyState, voice: Voice) -> list[Estimate]:
    """Says the plan and its warnings; returns how long the training takes by dataset."""
    workers = _local_workers(config.gpus_per_pack)
    packs = plan_packs(config, state, workers)
    try:
        with _own_gpu_given_back():
            estimates = estimate(
                *(state.work_left, state.datasets_to_train, state.unprepared(config.cache), config.extreme_sizes),
                largest_packs(packs),
            )
    except DatasetError as error:  # an image that was read for the measurement is broken
        raise StudyError(fault_text(error)) from None
    lines = plan_lines(config, state.runs, len(state.done), len(packs), workers, estimates)
    voice.say("\n".join(lines))
    gpu = local_gpus() > 0 or config.address is not None
    _warn(state.warnings, voice)
    _warn(power_warnings(config, len(state.datasets)), voice)
    _warn(range_warnings(config, recorded=bool(state.done)), voice)
    if config.hours is None:
        _warn(length_warnings(estimates, len(packs), workers, gpu), voice)
    return estimates


@contextmanager
def _own_gpu_given_back() -> Iterator[None]:
    """Leaves this process's GPU to the packs, and says in one line if it has no memory left."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if local_device().type == "cpu" or not is_out_of_memory(error):
            raise
        raise StudyError(
            f"the GPU of this machine is full ({reason(error)}): end what else runs on it (nvidia-smi), or do without "
            "it with CUDA_VISIBLE_DEVICES= before the command"
        ) from None
    finally:
        if local_device().type != "cpu":
            release_memory()


def _local_workers(gpus_per_pack: float | None) -> int:
    """How many packs this machine trains at once: as many as its GPUs hold, else one on each CPU core."""
    return local_gpus() * int(1 / gpus_per_pack if gpus_per_pack else PACKS_PER_GPU) or CORES


def _warn(warnings: Iterable[str], voice: Voice) -> None:
    for warning in warnings:
        voice.warn(warning)


def _check_mlflow(opening: Future[TrackingSink], voice: Voice) -> None:
    try:
        opening.result()
    except TrackingError as error:
        if not error.unreachable:
            raise StudyError(f"--tracking-uri: {error}; start the server, or leave the option out") from None
        voice.warn(f"{error}; the study goes on, and MLflow is filled from its records when it is back")


@contextmanager
def _ray(config: StudyConfig, voice: Voice) -> Iterator[float]:
    """Connects to Ray. Yields the fraction of a GPU that each pack takes there."""
    try:
        local = config.address is None
        connect(config.address)
        with ended_if_head_dies(local, voice):
            yield choose_gpus_per_pack(config.gpus_per_pack, local, voice.warn)
    except ClusterError as error:
        text = message_text(error)
        raise StudyError(f"--address: {text}" if config.address else text) from None
    except (RayError, TuneError) as error:
        raise StudyError(f"Ray failed ({reason(error)}); what is recorded stays: run the same command again") from None
    finally:
        disconnect()


def _backbone_runner(gpus_per_pack: float) -> BackboneRunner:
    """Runs backbones on the cluster if it has GPUs and this machine has none."""
    if not gpus_per_pack or local_device().type == "cuda":
        return run_here
    return partial(run_on_cluster, gpus=gpus_per_pack)


def _build_report(config: StudyConfig, opening: Future[TrackingSink] | None = None) -> tuple[str, Study]:
    """What a terminal shows of the report, and what it says; the report links to MLflow, if that could be opened."""
    sink = None if opening is None or opening.exception() else opening.result()
    shown_at = run_addresses(config.mlflow_uri, sink.experiment) if sink else None
    with storage_errors(config.storage, unchanged=(StudyNotFoundError, ValueError)):
        study = understand(config.name, config.storage, rope=config.rope, shown_at=shown_at)
        return report_on(study, config.storage), study


def _show_report(
    config: StudyConfig, building: Future[tuple[str, Study]], sink: TrackingSink | None, voice: Voice
) -> list[str]:
    """Shows the report and where to browse, and logs it to MLflow; returns a line about each thing that failed."""
    try:
        text, study = building.result()
    except StudyNotFoundError as error:
        voice.say(f"No report: {error}")
        return []
    except ValueError as error:
        return [f"no report could be made: {error}"]
    voice.say(f"\n{text}")
    if sink is None:
        voice.say(browse_text(config.mlflow_uri, config.name))
        return []
    views: list[View] = []
    failures = []
    try:
        views = write_browsing(sink, study)
        sink.log_report(report_folder(config.storage, config.name))
    except RefusedAddressError as error:
        voice.warn(f"the report is not in MLflow: {error}")
    except TrackingError as error:
        failures = [f"the report is not in MLflow ({error}); {sync_hint(config)} logs it"]
    voice.say(browse_text(config.mlflow_uri, config.name, sink.experiment, views))
    return failures
