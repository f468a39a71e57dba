from __future__ import annotations

import io

import pytest

from study.config import load_config
from study.estimate import estimate_seconds
from study.grid import expand, make_packs
from study.plan import plan_lines, power_warnings
from study.progress import Progress, duration
from trainables.datasets import load_dataset


def test_the_plan_names_what_is_trained_and_tested() -> None:
    config = load_config("demo", None, {})
    text = "\n".join(plan_lines(config, expand(config), 40, 10, 2, 75.0))
    for part in (
        "synthetic, digits",
        "24 conditions x 10 seeds = 240 runs of 50 epochs; 40 are recorded already",
        "200 runs in 10 packs, 2 at a time",
        "about 1 min 15 s",
        "primary 2, mechanism 18, secondary 12",
        "smallest p reachable 0.002",
    ):
        assert part in text


def test_enough_seeds_are_not_warned_of() -> None:
    assert power_warnings(load_config("demo", None, {})) == []
    assert power_warnings(load_config("sweep", None, {})) == []


def test_one_loss_alone_is_warned_of() -> None:
    assert "nothing to compare" in power_warnings(load_config("demo", None, {"losses": ["triplet"]}))[0]


def test_the_estimate_grows_with_the_work() -> None:
    datasets = {"digits": load_dataset("digits")}
    seconds = []
    for epochs in (10, 500):
        config = load_config("demo", None, {"datasets": ["digits"], "epochs": epochs, "miners": ["all"]})
        packs = [pack for pack, _ in make_packs(expand(config), set(), None, 2)]
        seconds.append(estimate_seconds(packs, datasets, 2))
    assert 10 * (seconds[0] - 12) < seconds[1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.4, "4 s"), (65, "1 min 05 s"), (7500, "2 h 05 min"), (260_000, "3.0 days")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_counts_member_epochs() -> None:
    config = load_config("demo", None, {"datasets": ["digits"], "miners": ["all"]})
    packs = [pack for pack, _ in make_packs(expand(config), set(), 20, 2)]
    stream = io.StringIO()
    progress = Progress(packs, stream)
    progress.reached(0, 25)
    progress.reached(0, 50)
    progress.finished(0)
    progress.reached(1, 50)
    progress.finished(1)
    assert " 25%" in stream.getvalue()
    assert "40/40 runs  100%" in stream.getvalue()
