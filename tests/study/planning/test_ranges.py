from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.metrics import SELECTION
from study.config.loading import load_config
from study.planning.ranges import range_warnings
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs


def test_sentence_26_the_plan_warns_of_a_range_of_two_levels() -> None:
    narrow = load_config("demo", None, {"margins": [0.2, 1.0], "lrs": [1e-3]})
    (warning,) = range_warnings(narrow, recorded=False)
    assert warning.startswith("margin has two levels (0.2 and 1), so that the better one is an end of its range")
    own = load_config("demo", None, {"margins": ["contrastive=0.5,2", "triplet=0.2,1"], "lrs": [1e-3]})
    assert "(contrastive 0.5 and 2; triplet 0.2 and 1)" in range_warnings(own, recorded=False)[0]
    assert range_warnings(narrow.model_copy(update={"losses": ("triplet",)}), recorded=False) == []


@pytest.mark.parametrize("preset", ["demo", "paper", "sweep"])
def test_sentence_26_no_preset_has_a_range_of_two_levels(preset: str) -> None:
    assert range_warnings(load_config(preset, None, {}), recorded=False) == []


def rising_study() -> pd.DataFrame:
    runs = simulated_runs(np.random.default_rng(0), seeds=13, margins=(0.1, 0.4, 1.6))
    runs.loc[(runs["loss"] == "contrastive") & (runs["margin"] == 1.6), SELECTION] += 0.1
    return runs


def test_sentence_26_the_plan_names_the_range_to_try_where_recorded_runs_still_rise(tmp_path: Path) -> None:
    record_study(tmp_path, "demo", rising_study())
    config = load_config("demo", None, {"margins": [0.1, 0.4, 1.6], "storage": tmp_path})
    (warning,) = range_warnings(config, recorded=True)
    edge = "the range of margin ends at 1.6 where contrastive still rises: try 6.4 and 25.6"
    assert warning == f"on digits, in the runs that are recorded, {edge}"
    assert range_warnings(config, recorded=False) == []


def test_two_levels_beside_a_range_are_warned_of() -> None:
    options = {"search": "sobol", "settings": 8, "margins": ["contrastive=0.5,2", "triplet=0.1..10"], "lrs": "1e-4..1"}
    (warning,) = range_warnings(load_config("demo", None, options), recorded=False)
    assert "contrastive 0.5 and 2; triplet 0.1..10" in warning
