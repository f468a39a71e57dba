"""A search is the same whatever happens to it, and wherever it runs: its settings, and its results to the last bit.

What it proposes depends on its own results, and these not on packs, workers, nodes and sessions. Real processes, some
minutes: ``pytest -m faults``.
"""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from tests.study.processes import Session, assert_in_mlflow_once, in_training, run_to_end, table, trained_once, wait_for

pytestmark = pytest.mark.faults

SEEDS = 2
SETTINGS = 18  # of each seed and loss: two batches, the second of which follows from the results of the first


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A search over miners and learning rates in several packs, with a snapshot at almost every report."""
    file = tmp_path_factory.mktemp("config") / "often.yaml"
    file.write_text("checkpoint_seconds: 0.2\n")
    search = ["--search", "tpe", "--settings", str(SETTINGS), "--halving", "--factor", "3", "--rungs", "2,6,18"]
    search += ["--epochs", "18", "--lrs", "1e-4..1e-2"]
    return ["--name", "s", *search, "--seeds", str(SEEDS), "--config", str(file)]


@pytest.fixture(scope="module")
def undisturbed(options: list[str], tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> pd.DataFrame:
    """In large packs on one machine."""
    storage = trained_once(tmp_path_factory, worker_id, "undisturbed-search", *options, "--pack-size", "32")
    return table("s", storage)


def assert_same(storage: Path, undisturbed: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(table("s", storage), undisturbed, check_exact=True)
    assert_in_mlflow_once("s", f"sqlite:///{storage / 'mlflow.db'}", 2 * SEEDS * SETTINGS)


def test_a_search_whose_driver_is_killed_at_6_random_moments_proposes_and_finds_the_same(
    options: list[str], undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    small_packs = [*options, "--storage", str(tmp_path), "--pack-size", "4"]
    moments = random.Random(0)
    resumed = False
    for attempt in range(6):
        session = Session(*small_packs)
        if attempt % 2:  # in the middle of training, however long this machine takes to get there
            wait_for(partial(in_training, session, tmp_path, time.time()))
            time.sleep(moments.uniform(0, 1))
        else:
            time.sleep(moments.uniform(1, 15))
        session.kill()
        resumed = resumed or any((tmp_path / "s" / "checkpoints").glob("[!.]*"))
    run_to_end(*small_packs)
    assert resumed, "no session left a snapshot behind"
    assert_same(tmp_path, undisturbed)


def test_a_search_whose_time_is_up_again_and_again_proposes_and_finds_the_same(
    options: list[str], undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    """Each session reports what is done; the same command goes on, and so does one that has all the time it needs."""
    small_packs = [*options, "--storage", str(tmp_path), "--pack-size", "4"]
    recorded, stopped, hours = 0, 0, 0.005
    while stopped < 3:
        output = run_to_end(*small_packs, "--hours", str(hours))
        if "The time is up. Settings that every seed has tried:" not in output:
            break
        done = len(list((tmp_path / "s" / "records").glob("*.parquet")))
        stopped += done > recorded
        hours *= 1 if done > recorded else 1.2  # a session must get as far as training
        recorded = done
        if done:
            assert (tmp_path / "s" / "report" / "report.html").is_file()
            kept = table("s", tmp_path).set_index("key")
            pd.testing.assert_frame_equal(kept, undisturbed.set_index("key").loc[kept.index, kept.columns])
    assert stopped, "it was never ended by the clock"
    run_to_end(*small_packs)
    assert_same(tmp_path, undisturbed)


def test_a_search_on_three_nodes_one_of_which_dies_proposes_and_finds_the_same(
    options: list[str], undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        session = Session(*options, "--storage", str(tmp_path), "--address", cluster.address)
        session.until(lambda: list((tmp_path / "s").glob("checkpoints/[!.]*")))
        cluster.add_node(num_cpus=1)
        cluster.remove_node(nodes[0], allow_graceful=False)
        status, _, errors = session.ends()
        assert status == 0, errors
    finally:
        cluster.shutdown()
    assert_same(tmp_path, undisturbed)
