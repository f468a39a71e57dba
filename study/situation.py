"""What a study wants, what it has, and whether the two are of one kind."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from analysis.mlflow_client import reason
from analysis.records import BrokenRecordError, PackRecord, records_folder
from study.config import StudyConfig
from study.grid import Run, expand
from study.preparation import Place, is_prepared, prepare
from study.readings import Reading, ReadingsError, find_readings
from study.storage import storage_errors, stored_records
from study.tracking import TrackingSink, open_sink
from trainables.datasets import Dataset, DatasetError
from trainables.provenance import code_version


class StudyError(RuntimeError):
    """Why a study cannot go on, in one line."""


_BUCKETS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss"}


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


def study_folder(config: StudyConfig) -> UPath:
    """Where all that a study keeps lies."""
    return UPath(config.storage) / config.name


def connect_mlflow(config: StudyConfig) -> TrackingSink:
    """Opens the study's experiment, whose files lie in the study's own folder unless a server keeps them.

    Raises:
        TrackingError: As `open_sink` does.
    """
    artifacts = study_folder(config) / "artifacts" if isinstance(config.storage, Path) else None
    return open_sink(config.mlflow_uri, config.name, artifacts)


def check_storage(folder: Path | UPath) -> None:
    """Makes a study's folder and sees that it can be written.

    In an object store nothing above it is made: a typing error must not make a bucket.

    Raises:
        StudyError: If it cannot be made or written.
    """
    probe = folder / f".writable.{os.getpid()}"
    local = isinstance(folder, Path)
    try:
        with storage_errors(folder):
            folder.mkdir(parents=UPath(folder).protocol not in _BUCKETS, exist_ok=True)
            probe.write_bytes(b"x")
            probe.unlink()
    except OSError as error:
        remedy = "choose another folder" if local else "make that bucket, or give another address"
        raise StudyError(
            f"--storage: cannot write under {folder} ({error.strerror or reason(error)}): {remedy}"
        ) from None


def look_around(config: StudyConfig) -> Situation:
    """Finds the datasets and what is recorded.

    Raises:
        StudyError: If a dataset or weights are missing, or the storage cannot be read.
    """
    try:
        readings, warnings = find_readings(config)
    except ReadingsError as error:
        raise StudyError(str(error)) from None
    records = []
    try:
        for record in stored_records(records_folder(config.storage, config.name)):
            if isinstance(record, BrokenRecordError):
                warnings.append(str(record))
            else:
                records.append(record)
    except OSError as error:
        place = study_folder(config)
        raise StudyError(f"--storage: cannot read {place} ({error.strerror or reason(error)})") from None
    runs = expand(config, readings)
    recorded = {run.key for record in records for run in record.runs}
    done = recorded & {run.key for run in runs}
    versions = {run.tags["code_version"] for record in records for run in record.runs if run.key in done}
    here = code_version()
    if versions - {here}:
        warnings.append(
            f"recorded runs were trained by other code or libraries ({', '.join(sorted(versions))}; this is {here}): "
            "for results of one version, give the study another --name"
        )
    return Situation(readings, runs, done, records, warnings)


def prepare_datasets(
    config: StudyConfig, situation: Situation, place: Place
) -> tuple[dict[tuple[str, str], Dataset], Iterable[str]]:
    """The datasets of the runs that are missing, and warnings; those of recorded runs must be as they were.

    What is recorded whole and is not in the cache is not prepared just to be compared.

    Args:
        config: The study.
        situation: What it wants and has.
        place: Where frozen backbones run.

    Raises:
        StudyError: If a dataset is broken, or is not what the recorded runs were trained on.
    """
    needed, others = situation.needed, [r for r in situation.readings if r not in situation.needed]
    at_hand = [reading for reading in others if is_prepared(reading, config.cache)]
    try:
        datasets, warnings = prepare([*needed, *at_hand], config.cache, config.synthetic, place)
    except DatasetError as error:
        raise StudyError(str(error)) from None
    warnings += [
        f"{reading.dataset} ({reading.encoder}) was not compared with the data of its recorded runs: it is not in "
        f"{config.cache}, or its files have changed since"
        for reading in others
        if reading not in at_hand
    ]
    wanted = {run.key: run.structure.reading for run in situation.runs}
    for record in situation.records:
        for run in record.runs:
            dataset = datasets.get(wanted.get(run.key, ("", "")))
            if dataset is not None and run.tags["data_digest"] != dataset.digest:
                raise StudyError(
                    f"the data of {dataset.name!r} are not those of the recorded runs (digest {dataset.digest}, "
                    f"recorded {run.tags['data_digest']}): give this study another --name"
                )
    return datasets, warnings
