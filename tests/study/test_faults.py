"""Everything that goes wrong while a study runs: nothing is lost, nothing is there twice, and no result is another.

Real processes, some minutes: ``pytest -m faults``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis import load_study
from analysis.store.loading import StudyWarning
from study.sync import main as sync
from tests.study.processes import (
    Server,
    Session,
    assert_in_mlflow_once,
    free_port,
    run_to_end,
    running,
    table,
    trained_once,
    wait_for,
)

pytestmark = pytest.mark.faults

SEEDS = 5
RUNS = 4 * SEEDS  # in twice four packs, by loss and miner


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A small study with a snapshot at almost every report."""
    file = tmp_path_factory.mktemp("config") / "often.yaml"
    file.write_text("checkpoint_seconds: 0.2\n")
    size = ["--seeds", str(SEEDS), "--epochs", "40", "--pack-size", "3"]
    return ["--name", "s", *size, "--config", str(file)]


@pytest.fixture(scope="module")
def undisturbed(options: list[str], tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> pd.DataFrame:
    storage = trained_once(tmp_path_factory, worker_id, "undisturbed", *options)
    assert not list((storage / "s" / "checkpoints").iterdir())
    return table("s", storage)


def assert_same(storage: Path, undisturbed: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(table("s", storage), undisturbed, check_exact=True)
    assert_in_mlflow_once("s", f"sqlite:///{storage / 'mlflow.db'}", RUNS)


def test_a_trial_whose_process_is_killed_goes_on(options: list[str], undisturbed: pd.DataFrame, tmp_path: Path) -> None:
    session = Session(*options, "--storage", str(tmp_path))
    session.until(lambda: list((tmp_path / "s").glob("checkpoints/[!.]*")))
    for process in session.left_behind("ray::ImplicitFunc"):
        os.kill(process, signal.SIGKILL)
    status, _, errors = session.ends()
    assert status == 0, errors
    assert_same(tmp_path, undisturbed)


@pytest.mark.parametrize("then", ["a session", "study.sync"])
def test_a_driver_that_dies_leaves_no_run_that_seems_to_train_after_the_next_session_or_sync(
    options: list[str], undisturbed: pd.DataFrame, tmp_path: Path, then: str
) -> None:
    database, storage = tmp_path / "mlflow.db", ["--storage", str(tmp_path)]
    session = Session(*options, *storage, "--live-seconds", "0.01")
    session.until(lambda: running(database))
    session.kill()
    assert running(database)
    if then == "study.sync":
        assert sync(["--name", "s", *storage]) == 0
        assert running(database) == 0
    run_to_end(*options, *storage)
    assert running(database) == 0
    assert_same(tmp_path, undisturbed)


def test_a_node_without_the_project_is_said_at_its_first_try(options: list[str], tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    (tmp_path / "trainables").mkdir()
    absent = "raise ModuleNotFoundError(\"No module named 'trainables'\")"
    (tmp_path / "trainables" / "__init__.py").write_text(absent)
    elsewhere = tmp_path / "elsewhere"  # Ray's processes also look where the driver was started
    elsewhere.mkdir()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(tmp_path)})
        storage = ["--storage", str(tmp_path / "results")]
        session = Session(*options, *storage, "--address", cluster.address, folder=elsewhere)
        status, _, errors = session.ends()
    finally:
        cluster.shutdown()
    assert status == 2
    assert "error: --address: a node cannot import this project (ModuleNotFoundError: No module named" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("number", "send", "expected", "seconds"),
    [
        (signal.SIGINT, os.killpg, {130}, 5),  # a terminal's Ctrl-C reaches the whole group
        (signal.SIGTERM, os.kill, {143}, 5),
        # Ray's own processes die of it first, and the driver misses them, or Ray ends it with a status of its own.
        (signal.SIGTERM, os.killpg, {143, 1}, 60),
    ],
)
def test_a_signal_ends_a_session_soon_and_leaves_no_process(
    options: list[str], tmp_path: Path, number: int, send: Callable[[int, int], None], expected: set[int], seconds: int
) -> None:
    session = Session(*options, "--storage", str(tmp_path))
    session.until(lambda: list((tmp_path / "s").glob("records/*.parquet")))
    started = time.monotonic()
    send(session.process.pid, number)
    status, _, errors = session.ends()
    assert time.monotonic() - started < seconds
    assert status in expected, errors
    assert status == 1 or "the same command goes on from what is recorded" in errors
    assert "Traceback" not in errors
    wait_for(lambda: not session.left_behind(), 30)
    assert len(load_study("s", tmp_path)) >= 3


def test_a_head_that_dies_is_said_within_15_seconds_and_the_study_goes_on(
    options: list[str], undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    session = Session(*options, "--storage", str(tmp_path))
    session.until(lambda: list((tmp_path / "s").glob("records/*.parquet")))
    (head,) = session.left_behind("gcs_server")
    started = time.monotonic()
    os.kill(head, signal.SIGKILL)
    status, _, errors = session.ends()
    assert time.monotonic() - started < 15
    assert status == 2
    assert "error: Ray's head here has died; what is recorded stays: run the same command again" in errors
    assert "Traceback" not in errors
    wait_for(lambda: not session.left_behind(), 120)  # of those that wait for the head, Ray ends the last after 60
    run_to_end(*options, "--storage", str(tmp_path))
    assert_same(tmp_path, undisturbed)


def assert_filled_by_sync(storage: Path, uri: str, undisturbed: pd.DataFrame) -> None:
    assert sync(["--name", "s", "--storage", str(storage), "--tracking-uri", uri]) == 0
    assert_in_mlflow_once("s", uri, RUNS)
    pd.testing.assert_frame_equal(load_study("s", tracking_uri=uri).drop(columns="pack"), undisturbed, check_exact=True)


def test_a_server_that_goes_away_in_the_middle_loses_nothing(
    options: list[str], undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    server = Server(f"sqlite:///{tmp_path / 'server.db'}", port, tmp_path / "artifacts")
    try:
        wait_for(server.answers)
        session = Session(*options, "--storage", str(tmp_path), "--tracking-uri", uri)
        session.until(lambda: list((tmp_path / "s").glob("records/*.parquet")))
        server.stop()
        session.until(lambda: len(list((tmp_path / "s").glob("records/*.parquet"))) >= 4)
        server = Server(f"sqlite:///{tmp_path / 'server.db'}", port, tmp_path / "artifacts")
        wait_for(server.answers)
        session.ends()
        assert_filled_by_sync(tmp_path, uri, undisturbed)
    finally:
        server.stop()


def test_a_server_that_is_away_from_start_to_end_is_filled_afterwards(
    options: list[str], undisturbed: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    status, output, errors = Session(*options, "--storage", str(tmp_path), "--tracking-uri", uri).ends()
    assert status == 1
    assert "the study goes on" in errors
    assert f"`python -m study.sync --name s --storage {tmp_path} --tracking-uri {uri}`" in errors
    assert "report.html" in output
    assert sync(["--name", "s", "--storage", str(tmp_path), "--tracking-uri", uri]) == 2
    assert "does not answer" in capsys.readouterr().err
    server = Server(f"sqlite:///{tmp_path / 'server.db'}", port, tmp_path / "artifacts")
    try:
        wait_for(server.answers)
        assert_filled_by_sync(tmp_path, uri, undisturbed)
    finally:
        server.stop()


def test_a_full_disk_is_one_line_and_the_study_goes_on_when_there_is_room(
    options: list[str], undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    mounted = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("only a superuser can mount a small disk")
    try:
        database = f"sqlite:///{tmp_path.parent / 'mlflow.db'}"
        filler = tmp_path / "filler"
        filler.write_bytes(b"x" * (2**21 - 130_000))
        status, _, errors = Session(*options, "--storage", str(tmp_path), "--tracking-uri", database).ends()
        assert status == 2
        lines = [line for line in errors.splitlines() if line.startswith("error:")]
        assert len(lines) == 1
        assert "No space left on device" in lines[0]
        assert f"make room under {tmp_path}" in lines[0]
        with warnings.catch_warnings():
            warnings.simplefilter("error", StudyWarning)  # no record is broken
            kept = load_study("s", tmp_path)
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", str(tmp_path)], check=True)
        output = run_to_end(*options, "--storage", str(tmp_path), "--tracking-uri", database)
        assert f"{len(kept)} are recorded already" in output
        pd.testing.assert_frame_equal(table("s", tmp_path), undisturbed, check_exact=True)
        assert_in_mlflow_once("s", database, RUNS)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=False)


def test_a_study_in_an_object_store_goes_on_from_there(
    options: list[str], undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    port = free_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # pragma: allowlist secret
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    store = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    storage = ["--storage", "s3://bucket/results", "--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            import s3fs

            def made() -> bool:
                try:
                    s3fs.S3FileSystem().mkdir("bucket")
                except Exception:
                    return False
                return True

            wait_for(made)
            session = Session(*options, *storage)
            bucket = s3fs.S3FileSystem()
            session.until(lambda: bucket.glob("bucket/results/s/checkpoints/*", refresh=True))
            status, _, errors = Session(*options, *storage).ends()
            assert (status, "is at work on" in errors) == (2, True)
            session.kill()
            assert bucket.cat_file("bucket/results/s/.lease.json")
            run_to_end(*options, *storage)
            bucket.invalidate_cache()  # this process has listed it before
            found = load_study("s", "s3://bucket/results").drop(columns="pack")
            pd.testing.assert_frame_equal(found, undisturbed, check_exact=True)
            assert bucket.exists("bucket/results/s/report/report.html")
            assert "Nothing to train" in run_to_end(*options, *storage)
        finally:
            store.kill()
    assert_in_mlflow_once("s", f"sqlite:///{tmp_path / 'mlflow.db'}", RUNS)
