"""A loss against itself: trained for real under two names, by the whole command, no loss is named (sentence 25)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import load_study, overall_verdicts, verdicts
from analysis.metrics import GRID_AVERAGE, METRICS, TUNED
from tests.analysis.studies import judged
from tests.study import second_name
from tests.study.second_name.sitecustomize import NAME, SECOND_NAME

SEEDS = 22  # of which a study of two losses takes 11 for each: fewer could name none in some families
SMALL = ["--preset", "demo", "--datasets", "digits", "--miners", "all", "--margins", "0.1", "0.5", "2", "--epochs", "2"]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one loss under both names, run in its own process, as a user would."""
    folder = tmp_path_factory.mktemp("results")
    path = os.pathsep.join([*second_name.__path__, *filter(None, [os.environ.get("PYTHONPATH")])])
    options = ["--losses", NAME, SECOND_NAME, "--seeds", str(SEEDS), "--storage", str(folder), "--name", "twice"]
    done = subprocess.run(
        [sys.executable, "-m", "study.run", *SMALL, *options],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return folder


def recorded(table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts on metrics that these runs record."""
    return table[table["refused"].isna()]


def test_sentence_25_a_loss_under_two_names_trains_twice_alike_and_no_name_is_better(storage: Path) -> None:
    runs = load_study("twice", storage)
    assert runs["loss"].value_counts().to_dict() == {NAME: 3 * SEEDS, SECOND_NAME: 3 * SEEDS}
    first, second = (
        runs[runs["loss"] == loss].sort_values(["seed", "margin"]).reset_index(drop=True)
        for loss in (NAME, SECOND_NAME)
    )
    measured = [column for column in runs if "/" in str(column)]
    pd.testing.assert_frame_equal(first[measured], second[measured], check_exact=True)
    table = recorded(pd.read_csv(storage / "twice" / "report" / "verdicts.csv"))
    assert set(table["n"]) == {SEEDS}
    assert {TUNED, GRID_AVERAGE} <= set(table["estimand"])
    decayed = table["metric"] != "loss_decay_epochs"  # in so few epochs hardly any run's loss has
    assert set(judged(table[decayed])["verdict"]) == {"equivalent"}
    assert (table["difference"].isin([0.0, 1.0])).all()
    assert table["side"].isna().all()
    assert overall_verdicts(verdicts(runs))["side"].isna().all()
    report = (storage / "twice" / "report" / "report.md").read_text()
    assert "digits: either loss, they retrieve equally well" in report


def test_sentence_25_seeds_of_a_loss_against_other_seeds_of_it_name_it_at_most_at_the_nominal_rate(
    storage: Path,
) -> None:
    """Real noise: 22 seeds of one loss, divided by lot into two arms of 11, and judged as a study of two losses.

    All divisions are alike to a test that holds its level, so each names an arm with a chance of 5% at most in each
    family.
    """
    runs = load_study("twice", storage)
    runs = runs[runs["loss"] == NAME]
    rng, divisions, naming = np.random.default_rng(0), 60, Counter[tuple[str, str]]()
    for _ in range(divisions):
        place = dict(zip(runs["seed"].unique(), rng.permutation(SEEDS), strict=True))
        lot = runs["seed"].map(place)
        arms = runs.assign(loss=np.where(lot < SEEDS / 2, NAME, SECOND_NAME), seed=lot % (SEEDS // 2))
        table = recorded(verdicts(arms))
        assert set(table["n"]) == {SEEDS // 2}
        named = table["side"].notna().groupby([table["estimand"], table["family"]]).any()
        naming.update(named[named].index.tolist())
    assert max(naming.values(), default=0) <= stats.binom.ppf(0.999, divisions, 0.05)
    assert table["difference"].nunique() > len(METRICS)  # the arms do differ
