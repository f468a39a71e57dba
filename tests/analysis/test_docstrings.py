"""The examples in docstrings are true, of a study named ``demo`` in the folder where they run."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs

MODULES = (
    *("comparison.arms", "comparison.paired_tests", "conclusions.claim_verdicts", "conclusions.overall"),
    *("conclusions.effort", "conclusions.slices", "conclusions.verdict_table", "statistics.censoring", "store.loading"),
    *("figures", "tables"),
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_are_true(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_study(tmp_path / "results", "demo", simulated_runs(np.random.default_rng(0), seeds=13, effect=0.1))
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testmod(import_module(f"analysis.{module}"))
    assert outcome.attempted > 0
    assert outcome.failed == 0
