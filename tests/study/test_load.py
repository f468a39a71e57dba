"""Ten thousand very short runs: what the study costs beside training, and whether MLflow can still be browsed."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from analysis import load_study
from tests.study.processes import Server, free_port, wait_for

pytestmark = pytest.mark.slow

TINY = """
datasets: [synthetic]
synthetic: {classes: 10, samples_per_class: 20, dim: 16}
miners: [all, semihard, hard, random]
margins: MARGINS
lrs: [0.001, 0.003]
seeds: 25
epochs: 1
"""
RUNS = 10_000


def test_ten_thousand_short_runs(tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    margins = [round(0.05 * step, 2) for step in range(1, 26)]
    config.write_text(TINY.replace("MARGINS", str(margins)))
    command = [sys.executable, "-m", "study.run", "--config", str(config), "--storage", str(tmp_path / "results")]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = 0
    status = Path(f"/proc/{process.pid}/status")
    assert process.stdout is not None
    output = []
    for line in process.stdout:
        output.append(line)
        found = re.search(r"VmHWM:\s+(\d+)", status.read_text() if status.exists() else "")
        peak = max(peak, int(found[1]) if found else 0)
    assert process.wait() == 0, "".join(output)
    seconds = time.monotonic() - started
    assert len(load_study("tiny", tmp_path / "results")) == RUNS
    trained = re.search(r"Trained 10000 runs in .*, ([\d.]+) s a run and worker", "".join(output))
    assert trained
    busy = float(trained[1]) * RUNS
    outside = 1 - busy / (2 * seconds)
    listed, ranked = pages(tmp_path / "results" / "mlflow.db")
    print(
        f"\n10,000 runs in {seconds:.0f} s, {busy / 2:.0f} s of them training on both cores ({outside:.0%} outside); "
        f"driver {peak / 2**20:.2f} GB; MLflow lists 100 runs in {listed:.1f} s, "
        f"the best 100 by a metric in {ranked:.1f} s"
    )
    assert peak < 1.5 * 2**20
    assert listed < 2


def pages(database: Path) -> list[float]:
    """Seconds that MLflow's server takes for what its interface asks: the latest 100 runs, and the best 100."""
    server = Server(f"sqlite:///{database}", free_port(), database.parent / "artifacts")
    try:
        wait_for(server.answers)
        bodies = (
            b'{"experiment_ids": ["1"], "max_results": 100, "order_by": ["attributes.start_time DESC"]}',
            b'{"experiment_ids": ["1"], "max_results": 100, "order_by": ["metrics.`test/map_at_r` DESC"]}',
        )
        seconds = []
        for body in bodies:
            for _ in range(2):  # the first one wakes the server up, as opening the interface does
                started = time.monotonic()
                request = Request(
                    f"{server.address}/api/2.0/mlflow/runs/search", body, {"Content-Type": "application/json"}
                )
                with urlopen(request, timeout=60) as reply:
                    assert b'"runs"' in reply.read()
                took = time.monotonic() - started
            seconds.append(took)
        return seconds
    finally:
        server.stop()
