"""The cores that a process may use, and not those that its machine has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from study.machine import CORES
print(CORES)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to a core")
def test_a_process_bound_to_one_core_has_one() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]
