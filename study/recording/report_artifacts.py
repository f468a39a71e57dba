"""Logs a report's files to MLflow: its own, known files alone, and only where MLflow may have them written.

Where the files of a run go is what MLflow answers, and a server is a stranger: it must not choose a folder here.
"""

from __future__ import annotations

import inspect
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from upath import UPath

from analysis.masking import hidden
from analysis.report.files import FIGURE_NAMES, FIGURES, FILES
from analysis.store.files import list_files, opened_folder, read_file, replace_in
from analysis.store.mlflow_client import is_server

_FILE_NAMES = re.compile("|".join(map(re.escape, FILES)))
REPORT = "report"  # the folder of a report among the files of a run
_LARGEST = 1 << 28  # bytes of a file of a report
_LOCAL = ("", "file")
ALLOWED = "STUDY_ARTIFACTS"
"""The environment variable that names an address below which reports may go with credentials of the user's own."""
_PORTS = {"http": 80, "https": 443}
# Of MLflow's other kinds of address `http` and `https` would send the files anywhere, and `runs` and `models` resolve
# to a second address, which nobody has looked at.
_REMOTE = ("mlflow-artifacts", "s3", "r2", "gs", "wasbs", "abfss", "dbfs", "hdfs", "viewfs", "sftp", "ftp")


class RefusedAddressError(ValueError):
    """MLflow names an address for the files of a run that it should not name. The message is one line."""


def log_report_files(client: Any, run_id: str, report: UPath, uri: str, within: Path | None = None) -> None:
    """Logs a report to a run. Files of the same names are replaced.

    Args:
        client: MLflow's client.
        run_id: Of the run.
        report: The report's folder.
        uri: MLflow's address.
        within: The study's folder, resolved but for its own name, if a folder of this machine must lie there; None if
            it may be any that a database names.

    Raises:
        RefusedAddressError: If MLflow is a server, or its file lies in the storage, and names another place than itself
            or the study's folder: a folder of this machine, or an address that is not below the one in `ALLOWED`.
        OSError: If a file cannot be read or written. MLflow raises errors of many kinds.
    """
    address = str(client.get_run(run_id).info.artifact_uri)
    local = checked_address(address, uri, within)
    if local is not None:
        _write(local, report, within)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in _files(report):
            target = Path(folder, name)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
        _repository(address, uri).log_artifacts(folder, REPORT)


def checked_address(address: str, uri: str, within: Path | None) -> Path | None:
    """The folder of this machine that MLflow names for a run's files; None if the address is elsewhere.

    Raises:
        RefusedAddressError: As `log_report_files` does.
    """
    shown = hidden(address)[:200]
    try:
        parts = urlsplit(address)
    except ValueError:
        raise RefusedAddressError(f"MLflow keeps its files at {shown!r}, which is no address") from None
    served = is_server(uri)
    if parts.scheme not in _LOCAL:
        if parts.scheme not in _REMOTE:
            raise RefusedAddressError(f"MLflow keeps its files at {shown!r}, a kind of address that is not written to")
        if parts.scheme == "mlflow-artifacts":
            if parts.netloc and not _is_same_server(parts, urlsplit(uri)):
                raise RefusedAddressError(f"MLflow at {hidden(uri)} keeps its files at another server, {shown!r}")
        elif (served or within is not None) and not _is_allowed(address):
            raise RefusedAddressError(
                f"MLflow at {hidden(uri)} keeps its files at {shown!r}, where credentials of your own would write "
                f"them: if they may, set {ALLOWED} to that address or one above it"
            )
        return None
    if served:
        raise RefusedAddressError(
            f"the server {hidden(uri)} names a folder of this machine for its files, {shown!r}, which a "
            "server should not choose: start it with --serve-artifacts"
        )
    folder = Path(unquote(parts.path) if parts.scheme else address)
    if parts.netloc or ".." in folder.parts:
        raise RefusedAddressError(f"MLflow keeps its files at {shown!r}, which is no folder of this machine")
    if within is None:
        return folder
    folder = folder.resolve()
    if not folder.is_relative_to(within):
        raise RefusedAddressError(
            f"MLflow's file in the storage keeps this study's files at {shown!r}, and not under {within}: the study "
            "was moved, or somebody has changed that file"
        )
    return folder


def _is_same_server(one: SplitResult, tracking: SplitResult) -> bool:
    """Whether two addresses name one host and port, whoever the user is."""
    port = _PORTS.get(tracking.scheme)
    try:
        return (one.hostname, one.port or port) == (tracking.hostname, tracking.port or port)
    except ValueError:  # the port is no number
        return False


def _is_allowed(address: str) -> bool:
    """Whether the user allows an address, or one above it."""
    allowed = os.environ.get(ALLOWED, "").strip().rstrip("/")
    climbs = ".." in unquote(address).split("/")
    return bool(allowed) and not climbs and f"{address}/".startswith(f"{allowed}/")


def _files(report: UPath) -> Iterator[tuple[str, bytes]]:
    """The files of a report by name, below its folder."""
    names = list_files(report, _FILE_NAMES)
    names += [f"{FIGURES}/{name}" for name in list_files(report / FIGURES, FIGURE_NAMES)]
    for name in names:
        yield name, read_file(report / name, _LARGEST)


def _write(folder: Path, report: UPath, within: Path | None) -> None:
    """Writes a report below a folder, as MLflow would do it, but follows no link on the way."""
    trusted = within.parent if within else folder
    if not within:
        folder.mkdir(parents=True, exist_ok=True)
    way = folder.relative_to(trusted).parts
    for name, content in _files(report):
        *above, last = (REPORT, *name.split("/"))
        with opened_folder(trusted, (*way, *above), make=True) as opened:
            replace_in(opened, last, content, f".{last}.{uuid.uuid4().hex}.partial")


def _repository(address: str, uri: str) -> Any:
    """MLflow's access to an address. Its client would ask the server for the address again."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    parts = urlsplit(address)
    if parts.scheme == "mlflow-artifacts":  # the server itself, whose user stands in `uri` alone
        address = parts._replace(netloc="").geturl()
    options = {"tracking_uri": uri} if "tracking_uri" in inspect.signature(get_artifact_repository).parameters else {}
    return get_artifact_repository(address, **options)
