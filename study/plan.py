"""The plan of a study in words, before any compute is spent."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.pairing import LOSSES
from analysis.power import LEAST_SEEDS, family_power, seeds_needed
from study.config import StudyConfig
from study.grid import Run
from study.progress import duration


def plan_lines(
    config: StudyConfig, runs: Sequence[Run], done: int, packs: int, workers: int, seconds: float | None
) -> list[str]:
    """What will be trained and tested, line by line."""
    conditions = len(runs) // len(config.seeds)
    lines = [
        f"Study {config.name!r} in {config.storage / config.name}",
        f"  datasets   {', '.join(config.datasets)}",
        f"  losses     {', '.join(config.losses)}",
        f"  miners     {', '.join(config.miners)}",
        f"  margins    {_figures(config.margins)}",
        f"  rates      {_figures(config.lrs)}",
        f"  runs       {conditions} conditions x {len(config.seeds)} seeds = {len(runs)} runs of {config.epochs} epochs"
        + (f"; {done} are recorded already" if done else ""),
    ]
    if packs:
        lines.append(f"  training   {len(runs) - done} runs in {packs} packs, {workers} at a time")
    if seconds is not None:
        lines.append(f"  time       about {duration(seconds)}, from a short measurement on this machine")
    return lines + _test_lines(config)


def power_warnings(config: StudyConfig) -> list[str]:
    """Why no verdict, or only some, can come out of the planned seeds; empty where all can."""
    seeds, datasets = len(config.seeds), len(config.datasets)
    if not set(LOSSES) <= set(config.losses):
        return ["with one loss alone there is nothing to compare: no verdict will be given"]
    warnings = []
    if seeds < LEAST_SEEDS:
        warnings.append(
            f"{seeds} seeds are too few for any verdict (at least {LEAST_SEEDS}): all will read `insufficient`"
        )
    helpless = [power for power in family_power(seeds, datasets) if not power.can_reject]
    if helpless:
        families = ", ".join(f"{power.family} {power.threshold:.2g}" for power in helpless)
        warnings.append(
            f"with {seeds} seeds p is at least {helpless[0].smallest:.2g}, but the first test of a family must reach "
            f"(Holm): {families}; these cannot reject; --seeds {seeds_needed(datasets)} can"
        )
    return warnings


def _test_lines(config: StudyConfig) -> list[str]:
    if not set(LOSSES) <= set(config.losses):
        return []
    powers = family_power(len(config.seeds), len(config.datasets))
    text = ", ".join(f"{power.family} {power.tests}" for power in powers)
    return [
        f"  tests      triplet minus contrastive, paired by seed: {text}; smallest p reachable {powers[0].smallest:.2g}"
    ]


def _figures(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
