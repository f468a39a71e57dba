"""Trains the packs of the runs that a study lacks, and keeps their results."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from analysis.plain_text import message_text, name_text
from analysis.store.files import study_folder
from analysis.store.stored_runs import TestPart, record_scores
from study.cluster.connection import count_workers
from study.cluster.scheduling import train_packs
from study.cluster.trials import OtherVersionError
from study.config.model import StudyConfig
from study.errors import StudyError
from study.output.voice import TERMINAL, Voice
from study.planning.estimate import Estimate
from study.planning.grid import Run
from study.planning.leaders import Leaders
from study.planning.packing import PlannedPack, make_packs, pack_limits
from study.planning.wording import time_is_up_lines
from study.progress import Progress, duration
from study.recording.live.told import LiveUpdate
from study.recording.pack_record import Provenance, described, make_record
from study.recording.recorder import Recorder
from study.recording.search_log import SearchLog
from study.recording.telling import Telling
from study.search.pool import PackPool
from study.state import StudyState
from study.storage.checkpoints import CheckpointFolder, fingerprint
from study.storage.standing import StandingFile
from trainables.datasets.synthetic import AnyDataset
from trainables.pack import DatasetKey, Structure
from trainables.provenance import code_version
from trainables.training.history import History
from trainables.training.live_points import LiveReport
from trainables.tune_adapter import TrainingJob


@dataclass(frozen=True)
class Training:
    """The packs to train, and what their training needs.

    Attributes:
        pool: The packs, in the order in which they start; results may call for more.
        datasets: The datasets of these packs.
        snapshots: Where workers keep the snapshots of packs in training.
        gpus_per_pack: The fraction of a GPU that each pack takes; zero for CPUs.
        version: Version of the code and its libraries.
        seconds_of: Expected seconds of a run on one worker.
        planned_seconds: Of all that the session will train, on one worker.
        planned_runs: How many runs that is.
        search: How their settings are chosen.
        deadline: When it is stopped, by `time.monotonic`; never if that is infinite.
        standing: Where it is written how far the training is; nowhere if None.
        live_seconds: The least time between two times that a pack in training is shown.
        leaders: Who leads, among the runs that are recorded.
    """

    pool: PackPool
    datasets: Mapping[DatasetKey, AnyDataset]
    snapshots: CheckpointFolder
    gpus_per_pack: float
    version: str
    seconds_of: Callable[[Structure], float]
    planned_seconds: float
    planned_runs: int
    search: str = "grid"
    deadline: float = math.inf
    standing: StandingFile | None = None
    live_seconds: float = math.inf
    leaders: Leaders = field(default_factory=Leaders)

    def dataset(self, planned: PlannedPack) -> AnyDataset:
        """The dataset that a pack is trained on."""
        return self.datasets[planned.pack.structure.dataset_key]

    def expected_seconds(self, planned: PlannedPack) -> float:
        """How long a pack will take on one worker."""
        return self.seconds_of(planned.pack.structure) * len(planned.runs)

    def job(self, planned: PlannedPack) -> TrainingJob:
        """A pack as Ray trains it."""
        mark = fingerprint(planned.keys, self.version, _data_of(self.dataset(planned)))
        return TrainingJob(planned.pack, planned.name, mark, self.version)


def _data_of(dataset: AnyDataset) -> str:
    """What a snapshot is made on: the dataset, and its inputs to the last bit."""
    return f"{dataset.digest}+{dataset.inputs_digest}"


def plan_packs(config: StudyConfig, state: StudyState, workers: int) -> list[PlannedPack]:
    """Packs the runs that a study lacks, as far as can be said before their time is known.

    Args:
        config: The study.
        state: What it wants and has.
        workers: How many packs train at once.
    """
    return _pool(config, state, _packer(config, state, workers, run_seconds(()))).packs


def run_seconds(estimates: Iterable[Estimate]) -> Callable[[Structure], float]:
    """Expected seconds of a run on one worker; epochs count alike where there is no estimate."""
    by_dataset = {each.encoded.key: each for each in estimates}

    def seconds(structure: Structure) -> float:
        known = by_dataset.get(structure.dataset_key)
        return known.run(structure) if known else float(structure.last_epoch)

    return seconds


def _packer(
    config: StudyConfig,
    state: StudyState,
    workers: int,
    seconds: Callable[[Structure], float],
    interrupted: Sequence[Sequence[str]] = (),
) -> Callable[[Sequence[Run]], list[PlannedPack]]:
    """Makes packs of runs, those of interrupted packs first."""
    limits = pack_limits(config, state.datasets)
    return lambda runs: make_packs(runs, config.pack_size, workers, limits, seconds, interrupted)


def _pool(
    config: StudyConfig,
    state: StudyState,
    pack: Callable[[Sequence[Run]], list[PlannedPack]],
    moved: Callable[[dict[str, list[FrozenTrial]]], None] = lambda trials: None,
) -> PackPool:
    return PackPool(state.cohorts, state.scores, pack, moved, in_rounds=config.hours is not None)


def plan_training(
    config: StudyConfig,
    state: StudyState,
    estimates: Sequence[Estimate],
    datasets: Mapping[DatasetKey, AnyDataset],
    gpus_per_pack: float,
    searches: SearchLog,
    started: float,
) -> Training:
    """Plans the training for the workers of the connected cluster. Snapshots that are of no use are removed.

    Args:
        config: The study.
        state: What it wants and has.
        estimates: How long the training takes, by dataset.
        datasets: The prepared datasets.
        gpus_per_pack: The fraction of a GPU that each pack takes; zero for CPUs.
        searches: Where searches are written down as they go on.
        started: When the command did, by `time.monotonic`.
    """
    version = code_version()
    folder = study_folder(config.storage, config.name)
    snapshots = CheckpointFolder(folder / "checkpoints", config.checkpoint_seconds)
    snapshots.clear(version, state.done)
    seconds_of = run_seconds(estimates)
    interrupted = snapshots.interrupted_packs(version)
    pack = _packer(config, state, count_workers(gpus_per_pack), seconds_of, interrupted)
    pool = _pool(config, state, pack, searches.add)
    left = state.work_left
    seconds, runs = sum(seconds_of(work.structure) * work.runs for work in left), sum(work.runs for work in left)
    deadline = math.inf if config.hours is None else started + 3600 * config.hours
    leaders = Leaders()
    leaders.add(state.runs, state.scores)
    return Training(
        *(pool, datasets, snapshots, gpus_per_pack, version, seconds_of, seconds, runs),
        search=config.search,
        deadline=deadline,
        standing=StandingFile(folder),
        live_seconds=config.live_seconds,
        leaders=leaders,
    )


class ResultKeeper:
    """Records the result of each pack as it ends, trains what follows from it, and shows the progress.

    Attributes:
        jobs: What Ray trains. It grows as results call for more.
        voice: Says how it goes on.
        progress: What is shown.
        busy_seconds: How long the packs that ended took, all together.
        trained_runs: How many runs these packs had.
    """

    def __init__(
        self,
        training: Training,
        recorder: Recorder,
        sketched_seed: int,
        raise_if_taken_over: Callable[[], None],
        voice: Voice = TERMINAL,
    ) -> None:
        self._training = training
        self._recorder = recorder
        self._sketched_seed = sketched_seed
        self._raise_if_taken_over = raise_if_taken_over
        self.jobs: list[TrainingJob] = []
        self.voice = voice
        left = training.deadline - time.monotonic()
        self.progress = Progress(training.planned_runs, training.planned_seconds, voice.bar(), limit=left)
        self._telling = Telling(self.progress, training.leaders, training.standing)
        self.busy_seconds = 0.0
        self.trained_runs = 0
        self._began: dict[int, int] = {}  # when packs that are shown did, in milliseconds since 1970
        self._add(training.pool.packs)

    def on_epoch(self, position: int, epoch: int) -> None:
        """Shows the progress of a pack."""
        self._raise_if_taken_over()
        self._telling.reached(position, epoch)
        if where := self._recorder.announcement():
            self.progress.say(where)

    def on_live(self, position: int, report: LiveReport) -> None:
        """Shows what is new of a pack in MLflow."""
        planned = self._training.pool.packs[position]
        began = self._began.setdefault(position, round(1000 * (time.time() - report.seconds)))
        runs = tuple(described(planned, self._provenance(planned, report.device)))
        self._recorder.show(LiveUpdate(planned.name, began, runs, report.points))

    def on_result(self, position: int, history: History, seconds: float, device: str) -> None:
        """Records the result of a pack."""
        self._raise_if_taken_over()
        training = self._training
        planned = training.pool.packs[position]
        self.busy_seconds += seconds
        self.trained_runs += len(planned.runs)
        provenance, began = self._provenance(planned, device), self._began.get(position)
        record = make_record(planned, history, seconds, provenance, self._sketched_seed, began)
        self._recorder.add(record)
        training.snapshots.remove(planned.name)
        scores = record_scores(record)
        self._add(training.pool.ended(position, scores))
        self._telling.finished(position, seconds, planned.runs, scores)

    def on_trouble(self, position: int, what: str) -> None:
        """Says at once what went wrong with a pack."""
        self._telling.trouble(f"{_pack_text(self._training.pool.packs[position])} {message_text(what)}")

    def on_failure(self, position: int) -> None:
        """Goes on without the result of a pack."""
        self.progress.gave_up(position)
        self._recorder.withdraw(self._training.pool.packs[position].name)
        self._add(self._training.pool.failed(position))

    def ended(self) -> None:
        """All packs have ended."""
        self._telling.ended()

    def _provenance(self, planned: PlannedPack, device: str) -> Provenance:
        training, dataset = self._training, self._training.dataset(planned)
        test_part: TestPart = "shared" if dataset.shares_test else "drawn"
        return Provenance(training.version, dataset.digest, device, test_part, dataset.inputs_digest, training.search)

    def _add(self, packs: Iterable[PlannedPack]) -> None:
        for planned in packs:
            self.jobs.append(self._training.job(planned))
            self.progress.add(planned.pack, self._training.expected_seconds(planned))


def train(training: Training, keeper: ResultKeeper) -> list[str]:
    """Trains packs, and returns a line about each pack that failed.

    Raises:
        StudyError: If a node of the cluster has another version of the code.
        OSError: If a result cannot be recorded, or another session has taken the study over.
    """
    started = time.monotonic()
    try:
        failed = train_packs(
            *(keeper.jobs, training.datasets, training.snapshots, training.gpus_per_pack, keeper),
            *(training.deadline, training.live_seconds),
            expected_seconds=lambda position: training.expected_seconds(training.pool.packs[position]),
        )
    except OtherVersionError as error:
        raise StudyError(f"--address: {message_text(error)}") from None
    finally:
        keeper.progress.close()
    keeper.ended()
    seconds_each = keeper.busy_seconds / max(keeper.trained_runs, 1)
    took = duration(time.monotonic() - started)
    keeper.voice.say(f"Trained {keeper.trained_runs} runs in {took}, {seconds_each:.3g} s a run and worker")
    if time.monotonic() >= training.deadline and not training.pool.is_done:
        keeper.voice.say("\n".join(time_is_up_lines(training.pool.tried(), keeper.trained_runs)))
    return [f"{_pack_text(training.pool.packs[position])} failed: {message_text(why)}" for position, why in failed]


def _pack_text(planned: PlannedPack) -> str:
    structure = planned.pack.structure
    return f"the pack of {len(planned.runs)} runs {name_text(structure.dataset)} {structure.loss} {structure.miner}"
