"""Where to browse a study, as the command prints it: one address a question."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from analysis.masking import hidden
from analysis.report.addresses import RunAddresses
from study.recording.browsing.views import View
from study.recording.mlflow_connection import is_server

_LOCAL = "http://127.0.0.1:5000"


def run_addresses(uri: str, experiment: str) -> RunAddresses:
    """Where the runs of an experiment, by its id, are shown: where `browse_text` says that MLflow is.

    Raises:
        ValueError: If the address of a server is none of `http` or `https`.
    """
    return RunAddresses(hidden(uri) if is_server(uri) else _LOCAL, experiment)


def browse_text(uri: str, study: str, experiment: str = "", views: Sequence[View] = ()) -> str:
    """How to browse a study: the command that serves MLflow, where none does, and an address for each question.

    Args:
        uri: MLflow's address.
        study: The study's name.
        experiment: The id of its experiment.
        views: What was written there.
    """
    uri = hidden(uri)
    if is_server(uri):
        base, lines = uri.rstrip("/"), [f"Browse   {uri} (experiment {study})"]
    else:
        python = shlex.quote(sys.executable)
        command = f"{python} -m mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri {shlex.quote(uri)}"
        base, lines = _LOCAL, [f"Browse   {command}"]
    widest = max((len(view.title) for view in views), default=0)
    return "\n".join([*lines, *(f"  {view.title:<{widest}}  {base}/{view.address(experiment)}" for view in views)])
