"""The plan and its warnings in words."""

from __future__ import annotations

from typing import Any

import pytest

from study.config.hyperparameters import PER_LOSS
from study.config.loading import load_config, preset_names
from study.config.per_loss import PerLoss
from study.data.sources import find_datasets
from study.planning.estimate import Estimate
from study.planning.wording import _test_lines, length_warnings, plan_lines, power_warnings, time_is_up_lines
from study.progress import duration
from study.search.cohorts import all_asked, cohorts
from tests.study.planning.examples import CNN, VIT, example, runs_of
from trainables.datasets.registry import DATASETS, dataset_info
from trainables.pack import DatasetKey


def test_the_plan_names_what_is_trained_and_tested() -> None:
    config = example()
    synthetic, digits = find_datasets(config)[0]
    estimates = [Estimate(synthetic, 66.0, 0.0, 1.0, 1.0), Estimate(digits, 60.0, 0.0, 1.0, 1.0)]
    text = "\n".join(plan_lines(config, runs_of(), 40, 10, 2, estimates))
    for part in (
        "synthetic (mlp), digits (mlp)",
        "synthetic (mlp) 33 s; digits (mlp) 30 s",
        "24 conditions x 13 seeds = 312 runs of 50 epochs; 40 are recorded already",
        "272 runs in 10 packs, 2 at a time",
        "about 1 min 13 s",
        "tuned, 13 seeds: primary 2, mechanism 18, secondary 4; smallest p reachable 0.00024",
        "default setting, 13 seeds: primary 2, mechanism 18, secondary 4; smallest p reachable 0.00024",
        "grid average, 13 seeds: primary 2, mechanism 18, secondary 4; smallest p reachable 0.00024",
    ):
        assert part in text


@pytest.mark.parametrize("preset", preset_names())
def test_sentence_13_no_preset_has_a_family_that_cannot_reject_on_all_datasets_either(preset: str) -> None:
    encoded = sum(len(dataset_info(name).encoders) for name in DATASETS)
    assert encoded == 7
    assert power_warnings(load_config(preset, None, {}), encoded) == []


def test_one_loss_alone_is_warned_of() -> None:
    assert "nothing to compare" in power_warnings(load_config("demo", None, {"losses": ["triplet"]}), 2)[0]


def test_a_study_of_days_on_a_cpu_is_warned_of_with_ways_out() -> None:
    estimates = [Estimate(VIT, 3600.0, 60.0, 1.0, 1.0), Estimate(CNN, 10 * 86400.0, 0.0, 1.0, 1.0)]
    (warning,) = length_warnings(estimates, 10, 2, gpu=False)
    for part in ("5.0 days on CPUs", "--seeds", "--encoder cifar10=vit_b_32", "--datasets without cifar10", "a GPU"):
        assert part in warning
    assert length_warnings(estimates, 10, 2, gpu=True) == length_warnings(estimates[:1], 10, 2, gpu=False) == []


def test_every_pair_of_losses_on_every_dataset_is_a_comparison() -> None:
    demo = example()
    losses = (*demo.losses, "third")
    own = {name: PerLoss(tuple((loss, getattr(demo, name).shared) for loss in losses)) for name in PER_LOSS}
    three = demo.model_copy(update={"losses": losses, **own})
    synthetic_and_digits = runs_of()
    text = "\n".join(plan_lines(three, synthetic_and_digits, 0, 0, 2, []))
    assert "tuned, 13 seeds: primary 6, mechanism 54, secondary 12" in text


def plan(**options: Any) -> str:
    """The plan of the demo with some options."""
    return "\n".join(plan_lines(example(**options), runs_of(**options), 0, 0, 2, []))


def test_the_plan_names_the_values_of_each_loss_where_they_differ() -> None:
    text = plan(margins=["contrastive=0.5,2,8", "triplet=0.1,0.4,1.6"], miners=["triplet=hard", "contrastive=all"])
    for part in (
        "  miners     contrastive all; triplet hard\n",
        "  margins    contrastive 0.5, 2, 8; triplet 0.1, 0.4, 1.6\n",
        "  rates      0.001\n",
        "12 conditions x 13 seeds = 156 runs",
    ):
        assert part in text
    assert "  margins    0.2, 1\n" in plan() == plan(margins=["contrastive=0.2,1", "triplet=0.2,1"])


def test_a_plan_without_the_default_setting_says_what_that_costs() -> None:
    for margins, said in (([0.5, 1.0], False), ([0.5, 2.0], True)):
        lines = "\n".join(_test_lines(load_config("demo", None, {"margins": margins}), 2))
        assert ("default setting: none, for no two losses try it (all, margin 1, lr 0.001); claims" in lines) == said


def test_the_plan_promises_grid_averages_over_the_miners_that_both_losses_try() -> None:
    assert "only over" not in plan(margins=["contrastive=0.5,2", "triplet=0.2,1"])
    half = plan(miners=["contrastive=all,hard", "triplet=all,semihard"])
    assert "grid average, 13 seeds: primary 2" in half
    assert "grid average: only over the miners that both losses try" in half
    apart = {"miners": ["contrastive=all", "triplet=hard"]}
    assert "grid average, " not in plan(**apart)
    assert "default setting, " not in plan(**apart)
    assert "default setting, " not in plan(margins=["contrastive=0.5,1", "triplet=0.2,2"])
    assert "grid average: none" in plan(**apart)
    few = power_warnings(example(seeds=9, **apart), 2)
    assert not any("grid average" in warning for warning in few)


def test_the_plan_of_a_search_shows_its_budget_in_settings_runs_and_epochs() -> None:
    options = {
        "search": "sobol",
        "settings": 18,
        "halving": True,
        "factor": 3,
        "rungs": [5, 16, 50],
        "margins": ["0.1..10"],
        "lrs": ["1e-4..1e-2"],
    }
    config = example(**options)
    asked = all_asked(cohorts(config, find_datasets(config)[0]), {})
    text = "\n".join(plan_lines(config, asked, 40, 10, 2, []))
    for part in (
        "  margins    0.1..10\n",
        "  rates      0.0001..0.01\n",
        "sobol: 18 settings and the default for each dataset, loss and seed, 52 searches",
        "18 to epoch 5, 6 to epoch 16, 3 to epoch 50: 336 epochs instead of 950 a search",
        "1404 of 17472 epochs in all; 40 are recorded already",
        "the first 948 runs in 10 packs",
        "tuned, 13 seeds: primary 2",
        "grid average: none, for each seed draws settings of its own",
    ):
        assert part in text


SEARCH = {"search": "sobol", "halving": True, "margins": ["0.1..10"], "lrs": ["1e-4..1e-2"], "datasets": ["digits"]}


def plan_by_the_clock(seconds: float, done: int = 0, **options: Any) -> str:
    """A round of all searches trains 6,448 epochs, of which the measured ones took a second each, on two workers."""
    config = example(hours=seconds / 3600, seeds=13, **{**SEARCH, **options})
    (digits,) = find_datasets(config)[0]
    asked = all_asked(cohorts(config, [digits]), {})
    return "\n".join(plan_lines(config, asked, done, 10, 2, [Estimate(digits, 1e9, 20.0, 1.0, 0.0)]))


def test_the_plan_of_a_search_by_the_clock_says_what_a_round_is_and_about_how_many_settings_there_will_be() -> None:
    """A round is 26 searches x (8 x 3 + 2 x 50) seconds on two workers, after 30 of starting and preparing."""
    in_round = 26 * (8 * 3 + 2 * 50) / 2
    text = plan_by_the_clock(30 + 4 * in_round)
    for part in (
        "sobol: rounds of 8 settings, 3072 at most, and the default for each dataset, loss and seed, 26 searches",
        "8 to epoch 3, 2 to epoch 50: 124 epochs instead of 400 a round",
        "260 of 3224 epochs in a round of all searches",
        f"time       {duration(30 + 4 * in_round)} from the start of the command: about 24 to 40 settings a search",
    ):
        assert part in text
    assert "about 24 to 40 more settings a search" in plan_by_the_clock(30 + 4 * in_round, done=100)
    assert "about 24 to 32 settings a search" in plan_by_the_clock(30 + 4 * in_round, settings=32)
    assert "about 16 settings a search" in plan_by_the_clock(30 + 4 * in_round, settings=16)
    assert "at most 16 settings a search" in plan_by_the_clock(30 + 1.1 * in_round)
    for seconds in (10, 30 + 0.7 * in_round):
        assert "command: too short for a round of 8 settings on this machine" in plan_by_the_clock(seconds)


def test_when_the_time_is_up_it_is_said_how_far_the_searches_are_and_how_they_go_on() -> None:
    digits, synthetic = DatasetKey("digits", "mlp"), DatasetKey("synthetic", "mlp")
    tried = {(digits, "triplet"): 25, (digits, "contrastive"): 17, (synthetic, "triplet"): 9}
    assert time_is_up_lines(tried, 100) == [
        "The time is up. Settings that every seed has tried:",
        "  digits (mlp): triplet 25, contrastive 17",
        "  synthetic (mlp): triplet 9",
        "The same command goes on for as long again.",
    ]
    assert time_is_up_lines(tried, 0)[-1].endswith("give more --hours.")
