"""The notebook of the documentation, and an interrupt, with all that they train."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis import load_study

ROOT = Path(__file__).parents[3]
NOTEBOOK = ROOT / ".readme" / "notebook.ipynb"
INTERRUPTED = """
import os, signal, threading, time
from pathlib import Path
from study import run_study

def interrupt():
    while not list(Path("results/stopped/checkpoints").glob("*")):
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

fields = {"name": "stopped", "datasets": "digits", "margins": [1], "seeds": 2, "checkpoint_seconds": 0.5}
threading.Thread(target=interrupt, daemon=True).start()
try:
    run_study("demo", **fields, epochs=5000)
except KeyboardInterrupt as error:
    print(error)
fields["name"] = "whole"
print(len(run_study("demo", **fields, epochs=1).runs), [thread.name for thread in threading.enumerate()])
"""


def executed(path: Path, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.study.notebook.cells", str(path)]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(path.read_text(encoding="utf-8")))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def kinds_of_outputs(notebook: dict[str, Any]) -> list[list[str]]:
    """Of each code cell, in which forms it shows something."""
    return [
        [kind for output in cell["outputs"] for kind in output.get("data", {"printed": ""})]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


@pytest.mark.faults
def test_every_cell_of_the_notebook_runs_and_shows_what_it_shows_in_the_documentation(tmp_path: Path) -> None:
    copy = Path(shutil.copy(NOTEBOOK, tmp_path))
    shown = kinds_of_outputs(executed(copy, tmp_path))
    assert shown == kinds_of_outputs(json.loads(NOTEBOOK.read_text(encoding="utf-8")))
    assert ["image/png", "text/plain"] in shown
    assert ["printed"] in shown
    assert (tmp_path / "forest.pdf").read_bytes().startswith(b"%PDF")
    assert len(load_study("notebook", tmp_path / "results")) == 96
    assert str(tmp_path) not in copy.read_text(encoding="utf-8")


def test_an_error_in_a_cell_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ipynb"
    broken.write_text(json.dumps({"cells": [{"cell_type": "code", "source": ["1 / 0"]}]}))
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        executed(broken, tmp_path)


@pytest.mark.faults
def test_an_interrupt_ends_the_session_and_the_process_goes_on_to_another_one(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", INTERRUPTED]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.splitlines() == [
        "stopped; the same call goes on from what is recorded",
        "4 ['MainThread']",
    ], done.stderr
