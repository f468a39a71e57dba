"""The command from end to end, on small real studies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from mlflow.tracking import MlflowClient

from analysis import load_study, verdicts
from analysis.report.__main__ import main as report_main
from study.config.loading import load_config
from study.run import main
from study.session import _build_report
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs

SMALL = ["--preset", "demo", "--datasets", "digits", "--miners", "all", "hard", "--margins", "0.5", "--epochs", "2"]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 8 seeds, run in its own process, as a user would."""
    folder = tmp_path_factory.mktemp("results")
    done = study(folder, "--seeds", "8")
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    return folder


def study(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "study.run", *SMALL, "--storage", str(folder), "--name", "small", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def mlflow_runs(folder: Path) -> list:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def test_the_plan_comes_first_and_the_verdicts_last(storage: Path) -> None:
    text = (storage / "stdout.txt").read_text()
    for part in (
        "32 runs of 2 epochs",
        "smallest p reachable",
        "MAP@R",
        "report.html",
        "mlflow ui --host 127.0.0.1",
        "/runs?viewStateShareKey=1&compareRunsMode=CHART&workflowType=machine_learning",
    ):
        assert part in text
    assert text.index("runs of 2 epochs") < text.index("MAP@R") < text.index("mlflow ui")


def test_the_report_is_written(storage: Path) -> None:
    report = storage / "small" / "report"
    assert "# Contrastive or triplet? Study `small`" in (report / "report.md").read_text()
    table = pd.read_csv(report / "verdicts.csv")
    assert list(table.columns[:16]) == [
        "dataset",
        "metric",
        "estimand",
        "first",
        "second",
        "n",
        "first_mean",
        "second_mean",
        "difference",
        "ci_low",
        "ci_high",
        "p_value",
        "p_corrected",
        "effect_size",
        "probability",
        "verdict",
    ]
    assert set(table["n"]) == {8}
    content = json.loads((report / "verdicts.json").read_text())
    assert len(content["verdicts"]) == len(table) == 36


def test_mlflow_holds_every_run_once_under_its_study(storage: Path) -> None:
    runs = mlflow_runs(storage)
    by_level: dict[str, list] = {}
    for run in runs:
        by_level.setdefault(run.data.tags["level"], []).append(run)
    cells = by_level.pop("cell")
    assert {level: len(group) for level, group in by_level.items()} == {"study": 1, "run": 32}
    kinds = Counter(run.data.tags["cell"] for run in cells)
    assert kinds == {"tuned": 2, "grid average": 2, "setting": 4, "tried": 2}
    assert {run.info.status for run in runs} == {"FINISHED"}
    below = {run.data.tags["mlflow.parentRunId"] for run in (*by_level["run"], *cells)}
    assert below == {by_level["study"][0].info.run_id}
    assert by_level["study"][0].data.tags["verdict_digits"]
    one = next(run for run in by_level["run"] if run.info.run_name == "triplet 0.5 hard lr=0.001 seed 3 digits mlp")
    assert one.data.params["seed"] == "3"
    assert {
        "dataset",
        "encoder",
        "miner",
        "lr",
        "epochs",
        "batch_size",
        "sampler",
        "embedding_dim",
        "normalize",
    } <= set(one.data.params)
    assert {"train/loss", "train/grad_norm", "val/map_at_r", "test/linear_accuracy", "test/recall_at_8"} <= set(
        one.data.metrics
    )
    assert {"key", "pack", "code_version", "data_digest", "diverged"} <= set(one.data.tags)


def test_the_report_is_logged_to_the_studys_run(storage: Path) -> None:
    (study_run,) = [run for run in mlflow_runs(storage) if run.data.tags["level"] == "study"]
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    logged = {item.path for item in client.list_artifacts(study_run.info.run_id, "report")}
    assert {"report/report.html", "report/report.md", "report/verdicts.csv", "report/figures"} <= logged
    assert (storage / "small" / "artifacts").is_dir()


def test_mlflow_and_the_storage_folder_give_the_same_verdicts(storage: Path) -> None:
    from_records = load_study("small", storage)
    from_mlflow = load_study("small", tracking_uri=f"sqlite:///{storage / 'mlflow.db'}")
    pd.testing.assert_frame_equal(from_records, from_mlflow, check_exact=True)
    pd.testing.assert_frame_equal(verdicts(from_records), verdicts(from_mlflow), check_exact=True)


def test_the_same_command_again_only_reports(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (storage / "small" / "records").iterdir()}
    assert main([*SMALL, "--storage", str(storage), "--name", "small", "--seeds", "8"]) == 0
    assert "Nothing to train" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (storage / "small" / "records").iterdir()} == before
    assert len(mlflow_runs(storage)) == 43


def test_what_is_missing_alone_is_trained_and_mlflow_filled_and_both_are_the_same_bit_for_bit(
    storage: Path, tmp_path: Path
) -> None:
    """Half of the runs come from the records, half are trained again, in packs of another size."""
    records = tmp_path / "small" / "records"
    shutil.copytree(storage / "small" / "records", records)
    for record in sorted(records.iterdir())[::2]:
        record.unlink()
    kept = len(load_study("small", tmp_path))
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    grown = study(tmp_path, "--seeds", "8", "--pack-size", "5", "--tracking-uri", uri)
    assert grown.returncode == 0, grown.stderr
    assert 0 < kept < 32
    assert f"{kept} are recorded already" in grown.stdout
    at_once = load_study("small", storage).drop(columns="pack")
    pd.testing.assert_frame_equal(load_study("small", tmp_path).drop(columns="pack"), at_once, check_exact=True)
    in_mlflow = load_study("small", tracking_uri=uri).drop(columns="pack")
    pd.testing.assert_frame_equal(in_mlflow, at_once, check_exact=True)
    assert sum(run.data.tags["level"] == "run" for run in mlflow_runs(tmp_path)) == 32


def test_the_report_can_be_rebuilt(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = storage / "small" / "report" / "verdicts.csv"
    written = report.read_bytes()
    report.unlink()
    assert report_main(["--study", "small", "--storage", str(storage)]) == 0
    assert report.read_bytes() == written
    assert "MAP@R" in capsys.readouterr().out
    assert report_main(["--study", "absent", "--storage", str(storage)]) == 2
    assert "no runs of a study 'absent'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--datasets", "digit"], "did you mean 'digits'"),
        (["--margins", "-1"], "--margins: input should be greater than 0"),
        (["--seeds", "0"], "at least one seed"),
        (["--margins", "-1e-3"], "--margins"),
        (["--storage", "~nosuchuser/x"], "--storage"),
        (["--sampler", "pk", "--batch-size", "6"], "there would be no negatives"),
        (["--name", "a/b"], "no path separators"),
        (["--storage", "/proc/nowhere"], "--storage: cannot write under /proc/nowhere"),
        (["--storage", "s3://bucket/x"], "can hold no MLflow database: give --tracking-uri"),
        (["--storage", "nosuch://x", "--tracking-uri", "sqlite:///x.db"], "--storage: nosuch://x"),
        (["--tracking-uri", "nonsense://x"], "--tracking-uri: MLflow at nonsense://x does not answer"),
        (["--tracking-uri", "http://host:port"], "--tracking-uri: MLflow at http://host:port does not answer"),
        (["--tracking-uri", "sqlite:////proc/no/x.db"], "--tracking-uri: MLflow at sqlite:////proc/no/x.db does not"),
    ],
)
def test_bad_input_ends_with_one_line_before_ray_starts(
    options: list[str],
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr("study.session.connect", lambda address: pytest.fail("Ray was started"))
    try:
        status = main([*SMALL, "--storage", str(tmp_path), *options])
    except SystemExit as stopped:  # how argparse ends
        status = int(str(stopped.code))
    assert status == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert expected in errors[0]


def test_too_few_seeds_are_warned_of_with_the_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--storage", str(tmp_path), "--seeds", "4", "--plan"]) == 0
    captured = capsys.readouterr()
    assert "4 seeds are too few for any verdict (at least 8)" in captured.err
    assert "p is at least 0.12" in captured.err
    assert not (tmp_path / "mlflow.db").exists()


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--storage", str(tmp_path), "--seeds", "8", "--address", "127.0.0.1:9"]) == 2
    assert "error: --address: nobody listens at '127.0.0.1:9'" in capsys.readouterr().err


def test_the_environment_stands_below_a_file_and_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://environment")
    assert main([*SMALL, "--storage", str(tmp_path)]) == 2
    assert "nonsense://environment" in capsys.readouterr().err
    file = tmp_path / "mine.yaml"
    file.write_text("tracking_uri: nonsense://file\n")
    assert main([*SMALL, "--storage", str(tmp_path), "--config", str(file)]) == 2
    assert "nonsense://file" in capsys.readouterr().err
    assert main([*SMALL, "--storage", str(tmp_path), "--config", str(file), "--tracking-uri", "nonsense://x"]) == 2
    assert "nonsense://x" in capsys.readouterr().err


def test_a_session_reports_with_the_regions_of_equivalence_that_were_set(tmp_path: Path) -> None:
    record_study(tmp_path, "demo", simulated_runs(np.random.default_rng(0), seeds=8))
    _build_report(load_config("demo", None, {"storage": str(tmp_path), "rope": ["map_at_r=0.03"]}))
    table = pd.read_csv(tmp_path / "demo" / "report" / "verdicts.csv")
    assert set(table.loc[table["metric"] == "map_at_r", "rope"]) == {0.03}
    assert set(table.loc[table["metric"] == "recall_at_1", "rope"]) == {0.01}


def test_a_plan_leaves_no_trace(tmp_path: Path) -> None:
    assert main([*SMALL, "--storage", str(tmp_path / "absent"), "--plan"]) == 0
    assert not (tmp_path / "absent").exists()


def test_a_plan_is_made_without_the_data_that_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--datasets", "digits", "cub200", "--data-root", str(tmp_path), "--storage", str(tmp_path / "absent")]
    assert main([*SMALL, *options, "--plan"]) == 0
    captured = capsys.readouterr()
    assert "cub200 (vit_b_32, class-disjoint, P x K)" in captured.out
    assert "2 of the study's files are missing:" in captured.err
    assert main([*SMALL, *options]) == 2


def test_a_second_session_on_a_study_says_so_and_stops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small").mkdir()
    with FileLock(tmp_path / "small" / ".lock"):
        assert main([*SMALL, "--storage", str(tmp_path), "--name", "small"]) == 2
    assert "another process is at work" in capsys.readouterr().err


def test_runs_of_other_code_are_warned_of(
    storage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.state.code_version", lambda: "9.9+new")
    assert main([*SMALL, "--storage", str(storage), "--name", "small", "--seeds", "8", "--plan"]) == 0
    assert "trained by other code" in capsys.readouterr().err


def test_other_data_under_the_same_name_are_refused(
    storage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from trainables.datasets.registry import load_vectors

    monkeypatch.setattr(
        "study.data.preparation.load_vectors",
        lambda name, synthetic: replace(load_vectors(name, synthetic), digest="other"),
    )
    assert main([*SMALL, "--storage", str(storage), "--name", "small", "--seeds", "9"]) == 2
    assert "give this study another --name" in capsys.readouterr().err
