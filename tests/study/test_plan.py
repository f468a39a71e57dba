from __future__ import annotations

import io

import pytest

from study.config import StudyConfig, load_config
from study.estimate import Estimate, estimate, total_seconds
from study.grid import Run, expand
from study.packing import make_packs
from study.plan import length_warnings, plan_lines, power_warnings
from study.progress import Progress, duration
from study.readings import Reading, find_readings
from trainables.spec import Pack

VIT = Reading("cub200", "vit_b_32", "disjoint", "pk", False, 11_788, 200, (768,))
CNN = Reading("cifar10", "cnn", "closed", "shuffle", False, 60_000, 10, (3, 32, 32))


def runs_of(config: StudyConfig) -> list[Run]:
    return expand(config, find_readings(config)[0])


def packs_of(config: StudyConfig, readings: list[Reading]) -> list[Pack]:
    return [pack for pack, _ in make_packs(expand(config, readings), set(), 20, 2, {})]


def test_the_plan_names_what_is_trained_and_tested() -> None:
    config = load_config("demo", None, {})
    synthetic, digits = find_readings(config)[0]
    estimates = [Estimate(synthetic, 66.0, 0.0, 1.0), Estimate(digits, 60.0, 0.0, 1.0)]
    text = "\n".join(plan_lines(config, runs_of(config), 40, 10, 2, estimates))
    for part in (
        "synthetic (mlp), digits (mlp)",
        "synthetic (mlp) 33 s; digits (mlp) 30 s",
        "24 conditions x 13 seeds = 312 runs of 50 epochs; 40 are recorded already",
        "272 runs in 10 packs, 2 at a time",
        "about 1 min 13 s",
        "tuned, 10 seeds: primary 2, secondary 12; smallest p reachable 0.002",
        "grid average, 13 seeds: primary 2, mechanism 18, secondary 12; smallest p reachable 0.00024",
    ):
        assert part in text


def test_enough_seeds_are_not_warned_of() -> None:
    assert power_warnings(load_config("demo", None, {}), 2) == []
    assert power_warnings(load_config("sweep", None, {}), 2) == []


def test_one_loss_alone_is_warned_of() -> None:
    assert "nothing to compare" in power_warnings(load_config("demo", None, {"losses": ["triplet"]}), 2)[0]


def test_the_estimate_grows_with_the_work() -> None:
    seconds = []
    for epochs in (10, 500):
        config = load_config("demo", None, {"datasets": ["digits"], "epochs": epochs, "miners": ["all"]})
        readings = find_readings(config)[0]
        packs = packs_of(config, readings)
        seconds.append(total_seconds(estimate(packs, readings, []), len(packs), 2))
    assert 10 * (seconds[0] - 12) < seconds[1]


def test_large_datasets_are_estimated_from_small_measurements_without_their_files() -> None:
    config = load_config("demo", None, {"datasets": ["digits"], "epochs": 10, "miners": ["all"], "batch_size": 16})
    readings = [VIT, CNN]
    vit, cnn = estimate(packs_of(config, readings), readings, [])
    assert (vit.reading, cnn.reading) == (VIT, CNN)
    assert cnn.training > 20 * vit.training > 0


def test_a_folder_of_many_classes_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.estimate._MEASURED_WHOLE", 400)
    config = load_config("demo", None, {"datasets": ["digits"], "epochs": 1, "miners": ["all"], "batch_size": 16})
    for split in ("closed", "disjoint"):
        reading = Reading("folder:big", "linear", split, "pk", False, 6000, 300, (8,))
        (found,) = estimate(packs_of(config, [reading]), [reading], [])
        assert found.training > 0


def test_a_study_of_days_on_a_cpu_is_warned_of_with_ways_out() -> None:
    estimates = [Estimate(VIT, 3600.0, 60.0, 1.0), Estimate(CNN, 10 * 86400.0, 0.0, 1.0)]
    (warning,) = length_warnings(estimates, 10, 2, gpu=False)
    for part in ("5.0 days on CPUs", "--seeds", "--encoder cifar10=vit_b_32", "--datasets without cifar10", "a GPU"):
        assert part in warning
    assert length_warnings(estimates, 10, 2, gpu=True) == length_warnings(estimates[:1], 10, 2, gpu=False) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.4, "4 s"), (65, "1 min 05 s"), (7500, "2 h 05 min"), (260_000, "3.0 days")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_counts_member_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.progress.LINE_SECONDS", 0.0)
    config = load_config("demo", None, {"datasets": ["digits"], "miners": ["all"], "seeds": 10})
    packs = packs_of(config, find_readings(config)[0])
    stream = io.StringIO()
    progress = Progress(packs, stream)
    progress.reached(0, 25)
    progress.reached(0, 50)
    progress.finished(0)
    progress.reached(1, 50)
    progress.finished(1)
    assert " 25%" in stream.getvalue()
    assert "40/40 runs  100%" in stream.getvalue()
