"""What `load_study` does with runs that it cannot read, and with names that no study has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import StudyNotFoundError, StudyWarning, load_study
from analysis.parameters import Value
from analysis.store.loading import is_study_name, read_study
from analysis.store.record_schema import RunDescription
from analysis.store.records import PackRecord, records_folder, write_record
from analysis.store.stored_runs import ConflictingRunsError, StoredRun, run_table
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs


def described(key: str, leave_out: str = "", **changed: Value) -> RunDescription:
    params: dict[str, Value] = {
        **{"dataset": "digits", "encoder": "mlp", "loss": "triplet", "miner": "all", "margin": 1.0, "lr": 1e-3},
        **{"seed": 3, "epochs": 5, "batch_size": 64, "sampler": "shuffle", "samples_per_class": 4},
        **{"embedding_dim": 8, "normalize": False, **changed},
    }
    tags = {"pack": "p", "code_version": "1", "data_digest": "d", "diverged": "false"}
    kept = {name: value for name, value in params.items() if name != leave_out}
    return RunDescription(key, kept, {name: value for name, value in tags.items() if name != leave_out})


def recorded(storage: Path, *runs: RunDescription, points: list[tuple[str, str, int, float]] | None = None) -> None:
    rows = points or [(run.key, "test/map_at_r", 5, 0.5) for run in runs]
    frame = pd.DataFrame(rows, columns=["key", "metric", "epoch", "value"])
    write_record(records_folder(storage, "s"), PackRecord("p", 1, 2, runs, frame))


def test_a_run_from_before_devices_were_recorded_was_trained_on_an_unknown_one(tmp_path: Path) -> None:
    recorded(tmp_path, described("old"))
    assert load_study("s", tmp_path)["device"].tolist() == ["unknown"]


def test_a_run_says_whether_all_seeds_share_its_test_part_and_an_older_one_does_not(tmp_path: Path) -> None:
    old, new = described("old"), described("shared")
    recorded(tmp_path, old, RunDescription(new.key, new.params, {**new.tags, "test_part": "shared"}))
    assert load_study("s", tmp_path).set_index("key")["test_part"].to_dict() == {"old": "unknown", "shared": "shared"}


def test_runs_from_before_two_parameters_were_renamed_are_read_as_those_after(tmp_path: Path) -> None:
    old = described("old", leave_out="normalize", normalized=True, augmented=True)
    recorded(tmp_path, described("new", normalize=True, augment=True), old)
    runs = load_study("s", tmp_path)
    assert runs[["key", "normalize", "augment"]].to_numpy().tolist() == [["new", True, True], ["old", True, True]]


def test_a_study_is_read_once_with_the_points_and_sketches_asked_for(tmp_path: Path) -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=2)
    record_study(tmp_path, "s", runs, pack=5)
    study = read_study("s", tmp_path, points_of=["train/loss", "test/map_at_r"], sketches=True)
    assert set(study.points["metric"].cat.categories) == {"train/loss", "test/map_at_r"}
    points = study.points[study.points["metric"] == "test/map_at_r"].set_index("key")["value"]
    expected = runs.set_index("key")["test/map_at_r"]
    assert points.to_dict() == expected.to_dict()
    assert set(study.sketches) == set(runs.loc[runs["seed"] == 0, "key"])
    assert study.warnings == ()
    without = read_study("s", tmp_path)
    assert (len(without.points), len(without.sketches)) == (0, 0)
    pd.testing.assert_frame_equal(without.runs, study.runs)


@pytest.mark.parametrize("missing", ["diverged", "data_digest"])
def test_a_run_without_a_tag_stays_out_with_a_warning(missing: str, tmp_path: Path) -> None:
    recorded(tmp_path, described("good"), described("bad", leave_out=missing))
    study = read_study("s", tmp_path)
    assert study.runs["key"].tolist() == ["good"]
    (warning,) = study.warnings
    assert missing in warning
    assert warning.endswith("(bad).")
    with pytest.warns(StudyWarning, match=f"{missing}'.*bad"):
        assert load_study("s", tmp_path)["key"].tolist() == ["good"]


@pytest.mark.parametrize("missing", ["dataset", "margin", "normalize"])
def test_a_record_of_a_run_that_does_not_say_what_it_is_stays_out_with_a_warning(missing: str, tmp_path: Path) -> None:
    recorded(tmp_path, described("good"))
    recorded(tmp_path, described("bad", leave_out=missing))
    study = read_study("s", tmp_path)
    assert study.runs["key"].tolist() == ["good"]
    (warning,) = study.warnings
    assert f"a run has no parameter '{missing}'" in warning


@pytest.mark.parametrize(
    "changed",
    [
        {"margin": "wide"},
        {"lr": "nan"},
        {"lr": "1e200"},
        {"seed": "3.5"},
        {"normalize": "perhaps"},
        {"seed": -1},
        {"epochs": 2.5},
        {"seed": True},
        {"margin": -1.0},
    ],
)
def test_a_parameter_that_cannot_be_read_leaves_its_run_in_mlflow_out(changed: dict[str, str]) -> None:
    good, bad = (StoredRun(run.key, run.key, run.params, run.tags, {}) for run in (described("good"), described("bad")))
    runs, (warning,) = run_table([good, replace(bad, params={**bad.params, **changed})])
    assert runs["key"].tolist() == ["good"]
    assert all(name in warning for name in changed)


def test_many_runs_left_out_for_one_reason_are_one_warning(tmp_path: Path) -> None:
    recorded(tmp_path, described("good"), *(described(f"bad{number}", leave_out="diverged") for number in range(9)))
    (warning,) = read_study("s", tmp_path).warnings
    assert "9 runs with no tag 'diverged' (bad0, bad1, bad2, bad3, bad4 and 4 more)" in warning


def test_a_study_of_unreadable_runs_alone_is_not_found_and_says_why(tmp_path: Path) -> None:
    recorded(tmp_path, described("bad", leave_out="seed"))
    with pytest.raises(StudyNotFoundError, match="no parameter 'seed'"):
        load_study("s", tmp_path)


def test_points_of_a_run_that_a_record_does_not_describe_are_left_out(tmp_path: Path) -> None:
    points = [("good", "test/map_at_r", 5, 0.5), ("stranger", "test/map_at_r", 5, 0.9)]
    recorded(tmp_path, described("good"), points=points)
    study = read_study("s", tmp_path, points_of=["test/map_at_r"])
    assert study.runs["test/map_at_r"].tolist() == [0.5]
    assert "1 points of record p" in study.warnings[0]


def test_a_metric_is_no_parameter_and_an_infinite_one_is_none_at_all() -> None:
    run = described("good")
    metrics = {"loss": 0.1, "test/map_at_r": float("inf"), "test/x": 0.2}
    runs, warnings = run_table([StoredRun("good", "good", run.params, run.tags, metrics)])
    assert warnings == []
    assert runs["loss"].tolist() == ["triplet"]
    assert runs["test/x"].tolist() == [0.2]
    assert "test/map_at_r" not in runs


def searched(key: str, **tags: str) -> RunDescription:
    run = described(key, epochs=50)
    return RunDescription(run.key, run.params, {**run.tags, **tags})


def test_a_run_says_how_its_setting_was_chosen_and_where_it_was_stopped(tmp_path: Path) -> None:
    stopped = searched("stopped", search="tpe", stopped="epoch 6")
    recorded(tmp_path, described("old"), stopped, searched("whole", search="tpe", stopped="false"))
    found = load_study("s", tmp_path).set_index("key")[["search", "stopped_at"]]
    assert found.to_dict("index") == {
        "old": {"search": "grid", "stopped_at": 0},
        "stopped": {"search": "tpe", "stopped_at": 6},
        "whole": {"search": "tpe", "stopped_at": 0},
    }


def test_a_run_says_how_many_settings_there_are_after_its_round(tmp_path: Path) -> None:
    recorded(tmp_path, described("old"), searched("k", search="tpe", round_settings="24", round_whole="6"))
    found = load_study("s", tmp_path).set_index("key")[["round_settings", "round_whole"]]
    assert found.T["k"].to_list() == [24, 6]
    assert found.T["old"].to_list() == [0, 0]


@pytest.mark.parametrize(
    "tags",
    [
        *({"round_settings": value} for value in ("-1", "8.0", "08", "", "nan", "\u0668", "1" * 10)),
        *({"round_whole": "all"}, {"round_whole": " 2"}),
        *({"search": "annealing"}, {"search": ""}, {"stopped": "true"}, {"stopped": "epoch"}, {"stopped": "epoch 0"}),
        *({"stopped": "epoch -6"}, {"stopped": "epoch 6.5"}, {"stopped": "epoch \u0666"}, {"stopped": "epoch 50"}),
    ],
)
def test_a_run_in_mlflow_whose_search_or_stop_cannot_be_stays_out(tags: dict[str, str]) -> None:
    run = searched("k", **tags)
    runs, (warning,) = run_table([StoredRun("r1", "k", run.params, run.tags, {})])
    assert runs.empty
    assert f"tag {next(iter(tags))!r} = " in warning


@pytest.mark.parametrize(
    "tags",
    [
        *({"search": "annealing"}, {"stopped": "true"}, {"stopped": "epoch 06"}),
        *({"round_settings": "-8"}, {"round_settings": "1" * 5000}, {"round_whole": "2.5"}),
    ],
    ids=lambda tags: str(tags)[:30],
)
def test_a_record_whose_search_or_stop_cannot_be_is_left_out(tags: dict[str, str], tmp_path: Path) -> None:
    recorded(tmp_path, described("good"), searched("odd", **tags))
    with pytest.raises(StudyNotFoundError, match=f"tag '{next(iter(tags))}' is n"):
        load_study("s", tmp_path)


def test_a_run_may_have_been_asked_for_by_two_searches() -> None:
    runs = [searched("k", search=search) for search in ("random", "grid")]
    table, warnings = run_table([StoredRun("r", "k", run.params, run.tags, {}) for run in runs])
    assert (len(table), warnings) == (1, [])


def test_a_foreign_run_in_mlflow_stays_out_with_a_warning(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.create_experiment("s")
    whole = described("good")
    for tags in ({"level": "run"}, {"level": "run", "key": "good", **whole.tags}):
        run = client.create_run(experiment, tags=tags)
        for name, value in whole.params.items():
            client.log_param(run.info.run_id, name, value)
        client.log_metric(run.info.run_id, "test/map_at_r", 0.5)
        client.set_terminated(run.info.run_id)
    study = read_study("s", tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert study.runs["key"].tolist() == ["good"]
    assert "1 run with no tag 'key'" in study.warnings[0]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a" * 300, "mlflow.db", "a\0b", "a b"])
def test_what_can_be_no_studys_name_is_not_found(name: str, tmp_path: Path) -> None:
    record_study(tmp_path, "a", simulated_runs(np.random.default_rng(0), seeds=1))
    assert not is_study_name(name)
    with pytest.raises(StudyNotFoundError, match="is no study name"):
        load_study(name, tmp_path / "a")


def test_whatever_a_remote_storage_raises_is_one_kind_of_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(folder: object) -> None:
        raise RuntimeError("no such host")

    monkeypatch.setattr("analysis.store.loading.read_records", away)
    with pytest.raises(StudyNotFoundError, match="memory://bucket/s/records cannot be read: no such host"):
        load_study("s", "memory://bucket")
    with pytest.raises(RuntimeError, match="no such host"):
        load_study("s", "results")


def test_two_runs_of_one_key_in_mlflow_that_differ_are_an_error_that_names_both() -> None:
    run = described("k")
    first, second = (StoredRun(label, "k", run.params, run.tags, {"test/map_at_r": 0.5}) for label in ("r1", "r2"))
    assert len(run_table([first, second])[0]) == 1
    with pytest.raises(ConflictingRunsError, match="r1 and r3 hold different results of one run"):
        run_table([first, second, StoredRun("r3", "k", run.params, run.tags, {"test/map_at_r": 0.9})])


def test_a_metric_out_of_its_range_leaves_its_run_in_mlflow_out() -> None:
    run = described("k")
    runs, (warning,) = run_table([StoredRun("r1", "k", run.params, run.tags, {"test/map_at_r": 943646.07})])
    assert runs.empty
    assert "test/map_at_r = 943646" in warning


def test_names_that_act_on_a_terminal_are_written_out(tmp_path: Path) -> None:
    recorded(tmp_path, described("run", dataset="a\x1b[2J\n\u202eb" + "c" * 500))
    (dataset,) = load_study("s", tmp_path)["dataset"]
    assert dataset.startswith("a\\x1b[2J\\n\\u202eb")
    assert len(dataset) <= 120
