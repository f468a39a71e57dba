"""Puts the plan of a study into words before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations, groupby
from typing import Any

from analysis.comparison.pairing import DEFAULT_SETTING, USUAL
from analysis.conclusions.families import FamilyPower, claim_power, family_power, seeds_needed
from analysis.metrics import AT_DEFAULT, GRID_AVERAGE, TUNED
from analysis.plain_text import name_text
from analysis.statistics.power import LEAST_SEEDS
from analysis.statistics.sign_flips import smallest_p
from study.config.levels import Level, level_text
from study.config.model import StudyConfig
from study.config.per_loss import PerLoss
from study.config.searches import round_at_rungs
from study.planning.estimate import Estimate, rounds_in, total_seconds
from study.planning.grid import Run
from study.progress import duration
from trainables.pack import DatasetKey

DAY = 86400.0
# Hyperparameters that are named where they are not as usual.
_OTHERS = {
    "weight_decay": "decays     ",
    "batch_size": "batches    ",
    "embedding_dim": "dimensions ",
    "normalize": "normalise  ",
}
_LEAST_ROUNDS = 0.8  # fewer are not worth starting


def plan_lines(
    config: StudyConfig, runs: Sequence[Run], done: int, packs: int, workers: int, estimates: Sequence[Estimate]
) -> list[str]:
    """What will be trained and tested, line by line.

    Args:
        config: The study.
        runs: All its runs.
        done: How many of them are recorded.
        packs: How many packs the others make.
        workers: How many packs train at once.
        estimates: How long the training takes, by dataset.
    """
    datasets = dict.fromkeys((*run.structure.dataset_key, run.structure.split) for run in runs)
    lines = [
        f"Study {config.name!r} in {config.storage / config.name}",
        f"  datasets   {', '.join(_dataset_text(*dataset) for dataset in datasets)}",
        f"  losses     {', '.join(config.losses)}",
        f"  miners     {_values_text(config.miners)}",
        f"  margins    {_values_text(config.margins)}",
        f"  rates      {_values_text(config.lrs)}",
        *(
            f"  {label}{_values_text(values)}"
            for name, label in _OTHERS.items()
            if (values := config.values_of(name)).all != (USUAL[name],)
        ),
        *_run_lines(config, len(runs), len(datasets)),
    ]
    lines[-1] += f"; {done} are recorded already" if done else ""
    if packs:
        first = "the first " if config.search != "grid" else ""
        lines.append(f"  training   {first}{len(runs) - done} runs in {packs} packs, {workers} at a time")
    if estimates and config.hours is not None:
        rounds = rounds_in(3600 * config.hours, config, estimates, [run.structure for run in runs], workers)
        lines.append(f"  time       {_hours_text(config, rounds, 'more ' if done else '')}")
    elif estimates:
        seconds = total_seconds(estimates, packs, workers)
        lines.append(f"  time       about {duration(seconds)}, from a short measurement on this machine")
        if len(datasets) > 1:
            lines.append(f"             {'; '.join(_time_text(each, packs, workers) for each in estimates)}")
    return lines + _test_lines(config, len(datasets))


def _run_lines(config: StudyConfig, asked: int, datasets: int) -> list[str]:
    """How many runs of how many epochs there will be."""
    seeds, epochs = len(config.seeds), config.epochs
    if config.search == "grid":
        return [f"  runs       {asked // seeds} conditions x {seeds} seeds = {asked} runs of {epochs} epochs"]
    searches = datasets * len(config.losses) * seeds
    counts, tried = config.settings_at_rungs, config.budget + config.tries_default
    drawn, span = f"{config.budget} settings", "search"
    if config.hours is not None:
        counts = round_at_rungs(config.rung_epochs, config.factor)
        tried, span = counts[0], "round"
        drawn = f"rounds of {tried} settings, {config.budget} at most,"
    default = " and the default" if config.tries_default else ""
    lines = [f"  search     {config.search}: {drawn}{default} for each dataset, loss and seed, {searches} searches"]
    trained = list(zip(config.rung_epochs, counts, strict=True))
    spent = sum(epoch * count for epoch, count in trained)
    if config.halving:
        steps = ", ".join(f"{count} to epoch {epoch}" for epoch, count in trained)
        lines.append(f"  rungs      {steps}: {spent} epochs instead of {tried * epochs} a {span}")
    of_all = "in all" if config.hours is None else "in a round of all searches"
    return [*lines, f"  runs       {searches * sum(counts)} of {searches * spent} epochs {of_all}"]


def _hours_text(config: StudyConfig, rounds: float, more: str) -> str:
    """The time that a search has, and how many settings it tries in that many rounds, which may be a fifth off."""
    time = f"{duration(3600 * (config.hours or 0))} from the start of the command"
    size, *_ = round_at_rungs(config.rung_epochs, config.factor)
    if rounds < _LEAST_ROUNDS:
        return f"{time}: too short for a round of {size} settings on this machine, by a short measurement"
    least, most = (min(count * size, config.budget) for count in (math.floor(0.8 * rounds), math.ceil(1.2 * rounds)))
    tried = f"about {least} to {most}" if 0 < least < most else f"{'about' if least else 'at most'} {most}"
    return f"{time}: {tried} {more}settings a search, from a short measurement on this machine"


def time_is_up_lines(tried: Mapping[tuple[DatasetKey, str], int], trained: int) -> list[str]:
    """That a study was ended by the clock, how far it is, and how it goes on.

    Args:
        tried: How many settings every seed has tried of each loss on each dataset.
        trained: How many runs the session has trained.
    """
    lines = ["The time is up. Settings that every seed has tried:"]
    for key, group in groupby(tried.items(), key=lambda item: item[0][0]):
        counts = ", ".join(f"{loss} {count}" for (_, loss), count in group)
        lines.append(f"  {name_text(key.dataset)} ({key.encoder}): {counts}")
    if not trained:
        return [*lines, "No pack has ended in that time; what training has kept goes on: give more --hours."]
    return [*lines, "The same command goes on for as long again."]


def length_warnings(estimates: Sequence[Estimate], packs: int, workers: int, gpu: bool) -> list[str]:
    """Warns of a study that takes over a day on CPUs, and says how to make it shorter."""
    seconds = total_seconds(estimates, packs, workers) if estimates else 0.0
    if gpu or seconds <= DAY:
        return []
    longest = max(estimates, key=lambda each: each.training).encoded
    cheaper = f", --encoder {name_text(longest.dataset)}=vit_b_32 (features once, then a small head)"
    return [
        f"this would take {duration(seconds)} on CPUs: fewer --seeds, fewer --margins, --lrs or --miners of a grid or "
        f"--settings of a search, --halving, fewer --epochs"
        f"{cheaper if longest.encoder == 'cnn' else ''}, --datasets without {name_text(longest.dataset)}, or a "
        "machine with a GPU make it shorter"
    ]


def power_warnings(config: StudyConfig, datasets: int) -> list[str]:
    """Warns if the planned seeds can give no verdict, or only some.

    Args:
        config: The study.
        datasets: How many encoded datasets it has.
    """
    seeds = len(config.seeds)
    if len(config.losses) < 2:
        return ["with one loss alone there is nothing to compare: no verdict will be given"]
    enough = seeds_needed(_comparisons(config, datasets))
    if seeds < LEAST_SEEDS:
        return [
            f"{seeds} seeds are too few for any verdict (at least {LEAST_SEEDS}): their p is at least "
            f"{smallest_p(seeds):.2g}, and all will read `insufficient`; --seeds {enough} can give all"
        ]
    warnings = []
    powerless = [power for power in _powers(config, datasets) if power.seeds >= LEAST_SEEDS and not power.can_reject]
    if powerless:
        families = ", ".join(f"{p.family} {p.estimand} {p.smallest:.2g} > {p.threshold:.2g}" for p in powerless)
        warnings.append(
            "these tests cannot reject whatever comes out, their smallest p being above the first threshold (Holm): "
            f"{families}; --seeds {enough} can"
        )
    return warnings


def _comparisons(config: StudyConfig, datasets: int) -> int:
    """How many comparisons the study makes with each metric: every pair of losses on every encoded dataset."""
    return datasets * math.comb(len(config.losses), 2)


def _powers(config: StudyConfig, datasets: int) -> list[FamilyPower]:
    """The families of tests of a study.

    Losses have a grid average only with the miners that both try, and are compared at the default setting only if both
    try it. A search has no grid.
    """
    miners = {loss: set(config.miners.of(loss)) for loss in config.losses}
    pairs = list(combinations(miners, 2)) if config.search == "grid" else []
    sharing = sum(not miners[first].isdisjoint(miners[second]) for first, second in pairs)
    with_default = sum(_has_default_setting(config, pair) for pair in combinations(config.losses, 2))
    seeds = len(config.seeds)
    tuned = [each for each in family_power(seeds, _comparisons(config, datasets)) if each.estimand == TUNED]
    averaged = [each for each in family_power(seeds, datasets * sharing) if each.estimand == GRID_AVERAGE]
    at_default = [each for each in family_power(seeds, datasets * with_default) if each.estimand == AT_DEFAULT]
    places = 1 + bool(sharing) + bool(with_default)
    of_claims = claim_power(seeds, _comparisons(config, datasets), places)
    return [*tuned, *(averaged if sharing else ()), *(at_default if with_default else ()), *of_claims]


def _has_default_setting(config: StudyConfig, losses: Sequence[str]) -> bool:
    return config.tries_default if config.search != "grid" else config.default_setting_of(losses) is not None


def _dataset_text(dataset: str, encoder: str, split: str) -> str:
    return f"{name_text(dataset)} ({encoder}{', class-disjoint' if split == 'disjoint' else ''})"


def _time_text(each: Estimate, packs: int, workers: int) -> str:
    training = each.training / max(1, min(workers, packs))
    preparation = f" after {duration(each.preparation)} of preparing it" if each.preparation >= 1 else ""
    return f"{name_text(each.encoded.dataset)} ({each.encoded.encoder}) {duration(training)}{preparation}"


def _test_lines(config: StudyConfig, datasets: int) -> list[str]:
    if len(config.losses) < 2:
        return []
    lines: list[str] = []
    powers = _powers(config, datasets)
    for estimand, group in groupby(powers, key=lambda power: power.estimand):
        families = list(group)
        counts = ", ".join(f"{power.family} {power.tests}" for power in families)
        seeds, smallest = families[0].seeds, families[0].smallest
        label = "tests      " if not lines else "           "
        lines.append(f"  {label}{estimand}, {seeds} seeds: {counts}; smallest p reachable {smallest:.2g}")
    if config.search != "grid":
        lines.append(f"             {GRID_AVERAGE}: none, for each seed draws settings of its own")
    elif all(power.estimand != GRID_AVERAGE for power in powers):
        lines.append(f"             {GRID_AVERAGE}: none, for no two losses try a miner in common")
    elif config.miners.shared is None:
        lines.append(f"             {GRID_AVERAGE}: only over the miners that both losses try")
    if all(power.estimand != AT_DEFAULT for power in powers):
        lines.append(
            f"             {AT_DEFAULT}: none, for no two losses try it ({DEFAULT_SETTING}); claims on what losses "
            "do are decided there"
        )
    return lines


def _values_text(values: PerLoss[Any]) -> str:
    if values.shared is not None:
        return _listed(values.shared)
    return "; ".join(f"{loss} {_listed(own)}" for loss, own in values.own)


def _listed(values: Sequence[Level | str | bool]) -> str:
    return ", ".join(level_text(value) if not isinstance(value, bool) else "yes" if value else "no" for value in values)
