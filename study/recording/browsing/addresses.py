"""Where to browse a study, as the command prints it: one address a question."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from analysis.masking import hidden
from analysis.report.addresses import RunAddresses
from analysis.store.mlflow_client import is_server
from study.recording.browsing.views import View

_LOCAL = "http://127.0.0.1:5000"


def run_addresses(uri: str, experiment: str) -> RunAddresses:
    """Where the runs of an experiment, by its id, are shown: where `browse_text` says that MLflow is."""
    return RunAddresses(_base(uri), experiment)


def browse_text(uri: str, study: str, experiment: str = "", views: Sequence[View] = ()) -> str:
    """How to browse a study: the command that serves MLflow, where none does, and an address for each question.

    Args:
        uri: MLflow's address.
        study: The study's name.
        experiment: The id of its experiment.
        views: What was written there.
    """
    base, uri = _base(uri), hidden(uri)
    if is_server(uri):
        lines = [f"Browse   {uri} (experiment {study})"]
    else:
        python = shlex.quote(sys.executable)
        command = f"{python} -m mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri {shlex.quote(uri)}"
        lines = [f"Browse   {command}"]
    widest = max((len(view.title) for view in views), default=0)
    return "\n".join([*lines, *(f"  {view.title:<{widest}}  {base}/{view.address(experiment)}" for view in views)])


def _base(uri: str) -> str:
    """Where MLflow's pages are: at its server's address, or where `browse_text` has them served."""
    return hidden(uri).rstrip("/") if is_server(uri) else _LOCAL
