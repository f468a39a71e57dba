"""The state of a study: the runs that it wants, and the results that it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.parameters import ROUND_TAGS, count_of_round
from analysis.plain_text import message_text, name_text
from analysis.store.files import study_folder
from analysis.store.mlflow_client import reason
from analysis.store.records import BrokenRecordError, PackRecord, UnusableRecordsError, records_folder
from analysis.store.stored_runs import record_scores
from study.config.model import StudyConfig
from study.data.cached_inputs import check_cached_inputs
from study.data.preparation import BackboneRunner, fault_text, is_prepared, prepare
from study.data.sources import DatasetsError, EncodedDataset, find_datasets
from study.errors import StudyError
from study.output.voice import TERMINAL, Voice
from study.planning.grid import Run, older_keys
from study.planning.joining import differences
from study.planning.work import Work
from study.search.cohorts import Cohort, all_asked, cohorts
from study.storage.folder import stored_records
from trainables.datasets.errors import DatasetError
from trainables.datasets.splits import Dataset
from trainables.datasets.synthetic import AnyDataset
from trainables.networks.encoders import backbone_of
from trainables.pack import DatasetKey
from trainables.provenance import code_version

UNKNOWN = "unknown"  # of a record that does not say


@dataclass(frozen=True)
class StudyState:
    """What a study wants and has.

    Attributes:
        datasets: Its datasets, each with one encoder.
        cohorts: What asks for its runs.
        scores: Validation scores of the recorded runs, by key; minus infinity for those that have none.
        runs: All runs that its configuration asks for, as far as the recorded ones let know.
        done: Keys of the runs that are recorded.
        records: All readable records of the study. They may hold runs of other configurations.
        warnings: About datasets that are left out, and records that cannot be used as they are.
    """

    datasets: list[EncodedDataset]
    cohorts: list[Cohort]
    scores: dict[str, float]
    runs: list[Run]
    done: set[str]
    records: list[PackRecord]
    warnings: list[str]

    @property
    def is_complete(self) -> bool:
        """Whether all runs are recorded."""
        return not self.missing

    @property
    def datasets_to_train(self) -> list[EncodedDataset]:
        """The datasets of the runs that are not recorded."""
        keys = {run.structure.dataset_key for run in self.missing}
        return [dataset for dataset in self.datasets if dataset.key in keys]

    @property
    def missing(self) -> list[Run]:
        """The runs that it asks for and does not have."""
        return [run for run in self.runs if run.key not in self.done]

    @property
    def work_left(self) -> list[Work]:
        """What is still to be trained; also what searches will ask for only when they know more."""
        done = [run for run in self.runs if run.key in self.done]
        left = [work for cohort in self.cohorts for work in cohort.left(done)]
        return [work for work in left if work.runs > 0]

    def unprepared(self, cache: Path) -> list[EncodedDataset]:
        """The datasets to train on that are not in the cache."""
        return [dataset for dataset in self.datasets_to_train if not is_prepared(dataset, cache)]


def read_state(config: StudyConfig, only_plan: bool = False) -> StudyState:
    """Finds the datasets, and reads the records.

    Args:
        config: The study.
        only_plan: As for `find_datasets`.

    Raises:
        StudyError: If a dataset or weights are missing, the storage cannot be read, or the study of this name has
            other runs.
    """
    try:
        datasets, warnings = find_datasets(config, only_plan)
    except DatasetsError as error:
        raise StudyError(str(error)) from None
    records, broken = _read_records(config)
    asking = cohorts(config, datasets)
    scores = {key: score for record in records for key, score in record_scores(record).items()}
    runs = all_asked(asking, scores)
    recorded = scores.keys()
    if recorded & older_keys(config, datasets, runs):
        raise StudyError(
            f"study {config.name!r} has runs of a miner whose margin window has changed since: they are not "
            "the ones of today, and the two cannot be told apart in a report: give this study another --name"
        )
    done = recorded & {run.key for run in runs}
    if len(done) < len(runs) and not warnings:  # a dataset that is not here may be recorded
        _check_name(config, [*runs, *_asked_at_once(config, datasets, scores, runs, records)], records)
    warnings += [*broken, *_version_warnings(records, done)]
    return StudyState(datasets, asking, scores, runs, done, records, warnings)


def prepare_datasets(
    config: StudyConfig, state: StudyState, runner: BackboneRunner, voice: Voice = TERMINAL
) -> tuple[dict[DatasetKey, AnyDataset], list[str]]:
    """Prepares the datasets of the runs that are missing, and checks those of the recorded runs.

    A dataset whose runs are all recorded is checked only if it is in the cache.

    Args:
        config: The study.
        state: What it wants and has.
        runner: Runs frozen backbones.
        voice: Shows how far the preparation is.

    Returns:
        The datasets, and warnings.

    Raises:
        StudyError: If a dataset is broken, or differs from the one that recorded runs were trained on.
    """
    to_train = state.datasets_to_train
    from_cache = [dataset for dataset in to_train if is_prepared(dataset, config.cache)]
    others = [dataset for dataset in state.datasets if dataset not in to_train]
    cached = [dataset for dataset in others if is_prepared(dataset, config.cache)]
    try:
        datasets, warnings = prepare([*to_train, *cached], config.cache, config.synthetic, runner, voice)
        # Encoders that read the same inputs have one entry of the cache.
        for encoded in {(each.dataset, backbone_of(each.encoder)): each for each in from_cache}.values():
            loaded = datasets[encoded.key]
            if isinstance(loaded, Dataset):
                check_cached_inputs(encoded, loaded.inputs, config.cache)
    except DatasetError as error:
        raise StudyError(fault_text(error)) from None
    warnings = [message_text(warning) for warning in warnings]
    warnings += [
        f"{name_text(dataset.dataset)} ({dataset.encoder}) was not compared with the data of its recorded runs: "
        f"it is not in {config.cache}, or its files have changed since"
        for dataset in others
        if dataset not in cached
    ]
    _check_recorded_data(state, datasets)
    return datasets, [*warnings, *_other_inputs(state, datasets)]


def _asked_at_once(
    config: StudyConfig,
    datasets: list[EncodedDataset],
    scores: dict[str, float],
    runs: list[Run],
    records: list[PackRecord],
) -> list[Run]:
    """What searches by the clock will ask for, of what they were asked for without one and may have recorded."""
    if config.hours is None or scores.keys() <= {run.key for run in runs}:
        return []
    ends = [count_of_round(run.tags.get(ROUND_TAGS[0], "0")) for record in records for run in record.runs]
    whole = config.model_copy(update={"hours": None, "settings": min(max(ends, default=0), config.budget)})
    return all_asked(cohorts(whole, datasets), scores) if whole.settings else []


def _check_name(config: StudyConfig, runs: list[Run], records: list[PackRecord]) -> None:
    """Raises `StudyError` if a study of other runs bears this name, and nobody has asked to extend it."""
    recorded = [run for record in records for run in record.runs]
    others = differences(runs, recorded)
    searched = {run.tags.get("search", "grid") != "grid" for run in recorded}
    if not others and searched - {config.search != "grid"}:
        others = ["runs of a search" if config.search == "grid" else "runs of a grid"]
    if others and not config.extend:
        raise StudyError(
            f"study {config.name!r} in {config.storage} holds other runs: {'; '.join(others)}: give this one another "
            f"--name, or add it to them with --name {config.name} --extend"
        )


def _read_records(config: StudyConfig) -> tuple[list[PackRecord], list[str]]:
    """All readable records, and a warning about each of the others."""
    records, warnings = [], []
    try:
        for record in stored_records(records_folder(config.storage, config.name)):
            if isinstance(record, BrokenRecordError):
                warnings.append(str(record))
            else:
                records.append(record)
    except UnusableRecordsError as error:
        raise StudyError(str(error)) from None
    except OSError as error:
        folder = study_folder(config.storage, config.name)
        raise StudyError(f"--storage: cannot read {folder} ({error.strerror or reason(error)})") from None
    return records, warnings


def _version_warnings(records: list[PackRecord], done: set[str]) -> list[str]:
    versions = {
        name_text(run.tags.get("code_version", UNKNOWN)) for record in records for run in record.runs if run.key in done
    }
    current = code_version()
    if not versions - {current}:
        return []
    return [
        f"recorded runs were trained by other code or libraries ({', '.join(sorted(versions))}; this is {current}): "
        "for results of one version, give the study another --name"
    ]


def _other_inputs(state: StudyState, datasets: Mapping[DatasetKey, AnyDataset]) -> list[str]:
    """A warning for each dataset whose recorded runs were trained on inputs that differ in some bit."""
    keys = {run.key: run.structure.dataset_key for run in state.runs}
    recorded: dict[DatasetKey, set[str]] = {}
    for record in state.records:
        for run in record.runs:
            if run.key in keys and run.tags.get("inputs_digest"):
                recorded.setdefault(keys[run.key], set()).add(run.tags["inputs_digest"])
    return [
        f"the inputs of {key.dataset} for {key.encoder} are other numbers than those of some recorded runs (digest "
        f"{datasets[key].inputs_digest}, recorded {', '.join(map(name_text, sorted(digests)))}), though of the same "
        "images: those of another device or other versions differ by rounding"
        for key, digests in recorded.items()
        if key in datasets and digests != {datasets[key].inputs_digest}
    ]


def _check_recorded_data(state: StudyState, datasets: Mapping[DatasetKey, AnyDataset]) -> None:
    """Raises `StudyError` if recorded runs were trained on other data."""
    dataset_of = {run.key: datasets.get(run.structure.dataset_key) for run in state.runs}
    for record in state.records:
        for run in record.runs:
            dataset = dataset_of.get(run.key)
            recorded = run.tags.get("data_digest", UNKNOWN)
            if dataset is not None and recorded != dataset.digest:
                raise StudyError(
                    f"the data of '{name_text(dataset.name)}' are not those of the recorded runs, or seeds draw and "
                    f"divide them in another way (digest {dataset.digest}, recorded {name_text(recorded)}): "
                    "give this study another --name"
                )
