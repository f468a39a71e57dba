"""Opens a study's experiment in MLflow, on a server or in a local file."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import stat
import uuid
from contextlib import closing, nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from upath import UPath

from analysis.masking import hidden
from analysis.plain_text import message_text
from analysis.store.files import as_local, study_folder
from analysis.store.mlflow_client import is_connection_error, is_server, open_client, reason, search_all_runs
from study.config.model import StudyConfig
from study.recording.database.connection import (
    UnsafeJournalError,
    check_journal,
    database_engine,
    database_file,
    one_at_a_time,
)
from study.recording.database.runs import HeldRun, held_runs
from study.recording.mlflow_sink import TAGS_TO_KNOW, TrackingError, TrackingSink
from study.storage.folder import remove_left_behind
from study.storage.mark import folder_mark

_KIND_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's own name, which its interface reads
_NOT_MLFLOWS = """
SELECT type, name FROM sqlite_master WHERE type = 'view' OR upper(sql) LIKE 'CREATE VIRTUAL%' OR type = 'trigger'
AND lower(tbl_name) IN ('experiments', 'experiment_tags', 'runs', 'tags', 'params', 'metrics', 'latest_metrics')
"""
_THREADS = 10  # that write through a server: as many as MLflow's client keeps connections for


def connect_mlflow(config: StudyConfig) -> TrackingSink:
    """Opens a study's experiment. Only the session that holds the study may call this.

    Its files are in the study's folder, unless a server keeps them or MLflow cannot write there.

    Raises:
        TrackingError: As `open_sink` does, or if MLflow's file in the storage is a link or no regular file.
    """
    folder = study_folder(config.storage, config.name)
    # MLflow writes to S3 with a package of its own choice.
    written = isinstance(folder, Path) or (folder.protocol == "s3" and find_spec("boto3") is not None)
    artifacts = folder / "artifacts" if written else None
    mark = folder_mark(folder)
    if config.tracking_uri is not None:
        return open_sink(config.mlflow_uri, config.name, artifacts, mark)
    _check_own_database(config.mlflow_uri)
    sink = open_sink(config.mlflow_uri, config.name, artifacts, mark)
    local = as_local(folder)
    sink.within = None if local is None else local.parent.resolve() / local.name
    return sink


def is_new_database(uri: str) -> bool:
    """Whether an address is an SQLite file that does not exist yet."""
    database = database_file(uri)
    return database is not None and not database.exists()


def open_sink(uri: str, study: str, artifacts: UPath | None = None, mark: str = "") -> TrackingSink:
    """Opens a study's experiment and reads which runs it holds. What is missing is created.

    Args:
        uri: MLflow's address.
        study: Name of the study, and of its experiment.
        artifacts: Where a new experiment keeps its files, if the address is a database. A server decides itself.
        mark: Of the study's folder. Runs with this mark that seem to train are deleted.

    Raises:
        TrackingError: If the address does not answer or cannot be written, or its driver is missing.
    """
    file, served = database_file(uri), is_server(uri)
    try:
        if file is not None:
            begun = re.compile(rf"\.{re.escape(file.name)}\.[0-9a-f]{{32}}\.partial(?:-\w+)?")
            remove_left_behind(file.parent.resolve(), begun)  # what a killed session began
            if not file.exists():
                _make_database(file)
        database = database_engine(uri)
        with one_at_a_time(database) if database is not None else nullcontext():
            client = open_client(uri)
            experiment = client.get_experiment_by_name(study)
            if experiment is not None and experiment.lifecycle_stage == "deleted":
                client.restore_experiment(experiment.experiment_id)
            if experiment is None:
                location = artifacts.as_uri() if artifacts and not served else None
                experiment_id = client.create_experiment(study, artifact_location=location, tags=_KIND_TAGS)
            else:
                experiment_id = experiment.experiment_id
        sink = TrackingSink(client, experiment_id, study, database, _THREADS if served else 1, uri, mark=mark)
        # Finished runs first: of duplicates, the first one is kept.
        for run in sorted(_held(client, experiment_id, database), key=lambda run: not run.is_finished):
            sink.add_existing(run)
        return sink
    except Exception as error:  # MLflow's stores raise errors of many kinds
        unreachable = not uri.startswith("sqlite:") and is_connection_error(error)
        text = f"MLflow at {message_text(hidden(uri))} does not answer: {reason(error)}"
        raise TrackingError(text, unreachable) from error


def _held(client: Any, experiment: str, database: Engine | None) -> list[HeldRun]:
    """The runs of an experiment."""
    runs = held_runs(database, experiment, TAGS_TO_KNOW) if database is not None else None
    if runs is not None:
        return runs
    found = search_all_runs(client, experiment)
    return [HeldRun(run.info.run_id, run.info.status == "FINISHED", run.data.tags) for run in found]


def sync_hint(config: StudyConfig) -> str:
    """The command that fills MLflow from a study's records."""
    options = ["--name", config.name, "--storage", hidden(str(config.storage))]
    options += ["--tracking-uri", hidden(config.tracking_uri)] if config.tracking_uri else []
    return f"`python -m study.sync {shlex.join(options)}`"


def _check_own_database(uri: str) -> None:
    """Raises `TrackingError` if MLflow's file, which nobody has named, is not what this project would have made.

    MLflow has neither views nor, on the tables that are written here, triggers: they would run statements of somebody
    else's.
    """
    file = database_file(uri)
    if file is None or not os.path.lexists(file):
        return
    if not stat.S_ISREG(file.lstat().st_mode):
        raise TrackingError(
            f"{file} is a link or no regular file: name the database with --tracking-uri sqlite:///FILE"
        )
    try:
        check_journal(file)
    except UnsafeJournalError as error:
        raise TrackingError(str(error)) from None
    # Not read-only: what a kill has left half-written is undone first, and may hold other tables.
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as database:
        odd = database.execute(_NOT_MLFLOWS).fetchone()
        if odd is not None:
            what = f"{odd[0]}, {odd[1][:100]!r}"
            raise TrackingError(f"{file} has a {what}, which MLflow does not make: move the file away")


def _make_database(database: Path) -> None:
    """Makes MLflow's file completely or not at all: MLflow cannot continue from half-made tables."""
    partial = database.with_name(f".{database.name}.{uuid.uuid4().hex}.partial")
    try:
        open_client(f"sqlite:///{partial}").search_experiments(max_results=1)
        try:
            os.link(partial, database)
        except FileExistsError:  # another study with the same storage was faster
            pass
        except OSError:  # the disk has no hard links
            if not database.exists():
                partial.rename(database)
    finally:
        partial.unlink(missing_ok=True)
