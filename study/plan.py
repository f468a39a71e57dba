"""The plan of a study in words, before any compute is spent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from analysis.inference import smallest_p
from analysis.pairing import LOSSES
from analysis.power import LEAST_SEEDS, family_power, seeds_needed
from study.config import StudyConfig
from study.estimate import Estimate, total_seconds
from study.grid import Run
from study.progress import duration

DAY = 86400.0


def plan_lines(
    config: StudyConfig, runs: Sequence[Run], done: int, packs: int, workers: int, estimates: Sequence[Estimate]
) -> list[str]:
    """What will be trained and tested, line by line."""
    readings = dict.fromkeys((run.structure.dataset, run.structure.encoder, run.structure.split) for run in runs)
    conditions = len(runs) // len(config.seeds)
    lines = [
        f"Study {config.name!r} in {config.storage / config.name}",
        f"  datasets   {', '.join(_read_by(*reading) for reading in readings)}",
        f"  losses     {', '.join(config.losses)}",
        f"  miners     {', '.join(config.miners)}",
        f"  margins    {_figures(config.margins)}",
        f"  rates      {_figures(config.lrs)}",
        f"  runs       {conditions} conditions x {len(config.seeds)} seeds = {len(runs)} runs of {config.epochs} epochs"
        + (f"; {done} are recorded already" if done else ""),
    ]
    if packs:
        lines.append(f"  training   {len(runs) - done} runs in {packs} packs, {workers} at a time")
    if estimates:
        seconds = total_seconds(estimates, packs, workers)
        lines.append(f"  time       about {duration(seconds)}, from a short measurement on this machine")
        if len(readings) > 1:
            lines.append(f"             {'; '.join(_share_of_time(each, packs, workers) for each in estimates)}")
    return lines + _test_lines(config, len(readings))


def length_warnings(estimates: Sequence[Estimate], packs: int, workers: int, gpu: bool) -> list[str]:
    """That a study would take over a day on a CPU, and how to make it smaller."""
    seconds = total_seconds(estimates, packs, workers) if estimates else 0.0
    if gpu or seconds <= DAY:
        return []
    longest = max(estimates, key=lambda each: each.training).reading
    cheaper = f", --encoder {longest.dataset}=vit_b_32 (features once, then a small head)"
    return [
        f"this would take {duration(seconds)} on CPUs: fewer --seeds, --margins, --lrs or --miners, fewer --epochs"
        f"{cheaper if longest.encoder == 'cnn' else ''}, --datasets without {longest.dataset}, or a machine with a GPU "
        "make it shorter"
    ]


def _read_by(dataset: str, encoder: str, split: str) -> str:
    return f"{dataset} ({encoder}{', class-disjoint' if split == 'disjoint' else ''})"


def _share_of_time(each: Estimate, packs: int, workers: int) -> str:
    training = each.training / max(1, min(workers, packs))
    preparation = f" after {duration(each.preparation)} of preparing it" if each.preparation >= 1 else ""
    return f"{each.reading.dataset} ({each.reading.encoder}) {duration(training)}{preparation}"


def power_warnings(config: StudyConfig, datasets: int) -> list[str]:
    """Why no verdict, or only some, can come out of the planned seeds; empty where all can.

    Args:
        config: The study.
        datasets: How many readings of datasets it has.
    """
    seeds, tuning = len(config.seeds), config.tuning_seeds
    if not set(LOSSES) <= set(config.losses):
        return ["with one loss alone there is nothing to compare: no verdict will be given"]
    enough = seeds_needed(datasets, tuning)
    if seeds < LEAST_SEEDS:
        return [
            f"{seeds} seeds are too few for any verdict (at least {LEAST_SEEDS}): their p is at least "
            f"{smallest_p(seeds):.2g}, and all will read `insufficient`; --seeds {enough} can give all"
        ]
    warnings = []
    if seeds - tuning < LEAST_SEEDS:
        warnings.append(
            f"{tuning} of {seeds} seeds tune, and {max(seeds - tuning, 0)} are too few to confirm (at least "
            f"{LEAST_SEEDS}): which loss performs better, tuned, will read `insufficient`; --seeds {enough} can tell"
        )
    helpless = [power for power in family_power(seeds, datasets, tuning) if not power.can_reject]
    helpless = [power for power in helpless if power.seeds >= LEAST_SEEDS]
    if helpless:
        families = ", ".join(f"{p.family} {p.estimand} {p.smallest:.2g} > {p.threshold:.2g}" for p in helpless)
        warnings.append(
            "these tests cannot reject whatever comes out, their smallest p being above the first threshold (Holm): "
            f"{families}; --seeds {enough} can"
        )
    return warnings


def _test_lines(config: StudyConfig, datasets: int) -> list[str]:
    if not set(LOSSES) <= set(config.losses):
        return []
    lines: list[str] = []
    powers = family_power(len(config.seeds), datasets, config.tuning_seeds)
    for estimand, group in groupby(powers, key=lambda power: power.estimand):
        families = list(group)
        counts = ", ".join(f"{power.family} {power.tests}" for power in families)
        seeds, smallest = families[0].seeds, families[0].smallest
        label = "tests      " if not lines else "           "
        lines.append(f"  {label}{estimand}, {seeds} seeds: {counts}; smallest p reachable {smallest:.2g}")
    return lines


def _figures(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
