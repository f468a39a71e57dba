"""``python -m study.sync``: fills MLflow from a study's records, if it did not answer or is another server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from analysis.masking import guarded_output, hidden
from analysis.plain_text import name_text
from analysis.report.build import understand
from analysis.report.files import report_folder
from analysis.store.files import study_folder
from analysis.store.loading import StudyNotFoundError
from analysis.store.records import BrokenRecordError, PackRecord, UnusableRecordsError, records_folder
from study.config.loading import ConfigError, environment, load_config
from study.config.model import StudyConfig
from study.recording.browsing.addresses import browse_text
from study.recording.browsing.browse import write_browsing
from study.recording.browsing.views import View
from study.recording.mlflow_connection import connect_mlflow
from study.recording.mlflow_sink import TrackingError, TrackingSink
from study.recording.report_artifacts import RefusedAddressError
from study.recording.stopped_runs import StoppedRuns
from study.storage.folder import is_folder, stored_records
from study.storage.lock import LockedError, only_session


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills MLflow and returns the exit status: 0, or 2 with a line about the error."""
    with guarded_output(sys.argv[1:] if arguments is None else arguments):
        return _sync(arguments)


def _sync(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m study.sync", description="Fills MLflow from a study's records.")
    parser.add_argument("--name", required=True, help="of the study")
    parser.add_argument("--storage", help="folder or address of the records (default: results)")
    parser.add_argument("--tracking-uri", help="MLflow's address, else a file in the storage folder")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    try:
        config = load_config(None, None, given, environment())
        folder = study_folder(config.storage, config.name)
        if not is_folder(folder):
            raise ConfigError(f"no study {config.name!r} in {config.storage}")
        with only_session(folder):
            print(fill(config))
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from there", file=sys.stderr)
        return 130
    except LockedError as error:
        print(f"error: {error} is at work on {folder}: MLflow is filled when it ends", file=sys.stderr)
        return 2
    except (ConfigError, UnusableRecordsError, TrackingError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def fill(config: StudyConfig) -> str:
    """Writes the runs and the report that MLflow lacks. Returns a line about what it holds.

    Raises:
        TrackingError: If MLflow does not answer or fails. What it lacks can be written later.
        OSError: If the study cannot be read.
        UnusableRecordsError: As `read_records` does.
    """
    sink = connect_mlflow(config)
    runs, broken = 0, 0
    refused: list[str] = []
    stopped = StoppedRuns()

    def write(record: PackRecord) -> int:
        try:
            sink.write(record)
            return len(record.runs)
        except TrackingError as error:
            if error.unreachable:
                raise
            refused.append(f"{name_text(record.pack)}, with: {error}")
            return 0

    for record in stored_records(records_folder(config.storage, config.name)):
        if isinstance(record, BrokenRecordError):
            print(f"warning: {record}", file=sys.stderr)
            broken += 1
        elif not stopped.keeps(record):
            runs += write(record)
    runs += sum(map(write, stopped.for_good()))
    sink.remove(stopped.went_on())
    if refused:
        raise TrackingError(f"MLflow refused {len(refused)} records, the first, {refused[0]}")
    views = _write_browsing(config, sink)
    report = report_folder(config.storage, config.name)
    if is_folder(report):
        try:
            sink.log_report(report)
        except RefusedAddressError as error:
            print(f"warning: the report is not in MLflow: {error}", file=sys.stderr)
    held = f"MLflow at {hidden(config.mlflow_uri)} holds the {runs} recorded runs of {config.name!r}" + (
        f"; {broken} broken records were left out" if broken else ""
    )
    return f"{held}\n{browse_text(config.mlflow_uri, config.name, sink.experiment, views)}"


def _write_browsing(config: StudyConfig, sink: TrackingSink) -> list[View]:
    """Writes what answers on opening, as far as anything can be said of the records."""
    try:
        study = understand(config.name, config.storage, rope=config.rope)
    except StudyNotFoundError:  # no readable run; the records were warned of
        return []
    except UnusableRecordsError:
        raise
    except ValueError as error:
        print(f"warning: MLflow has no aggregates of this study: {error}", file=sys.stderr)
        return []
    return write_browsing(sink, study)


if __name__ == "__main__":
    sys.exit(main())
