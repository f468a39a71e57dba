"""Whether the ranges of the hyperparameters are wide enough for a tuned verdict, as far as can be said beforehand."""

from __future__ import annotations

import warnings

from analysis.comparison.comparisons import comparisons
from analysis.comparison.levels import NUMERIC
from analysis.store.loading import StudyNotFoundError, load_study
from study.config.levels import Level, level_text
from study.config.model import StudyConfig
from study.config.per_loss import PerLoss


def range_warnings(config: StudyConfig, recorded: bool) -> list[str]:
    """Warns of ranges whose best level can only be an end, and of those that the recorded runs show to be too narrow.

    Args:
        config: The study.
        recorded: Whether some of its runs are recorded.
    """
    if len(config.losses) < 2:
        return []
    return [*(recorded_edges(config) if recorded else ()), *_two_levels(config)]


def recorded_edges(config: StudyConfig) -> list[str]:
    """Where the runs that are recorded still rise, and which levels to try (protocol, sentence 26)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report names what cannot be read
        try:
            runs = load_study(config.name, config.storage)
        except StudyNotFoundError:
            return []
    return [
        f"on {comparison.label}, in the runs that are recorded, {edge}"
        for comparison in comparisons(runs)
        for edge in comparison.edges
        if edge.rises
    ]


def _two_levels(config: StudyConfig) -> list[str]:
    return [
        f"{name.replace('_', ' ')} has two levels ({_levels_text(values)}), so that the better one is an end of its "
        "range: where a loss is shown to rise there, tuned verdicts read `insufficient`; three levels or more, the "
        "best one inside, do not"
        for name, values in ((name, config.values_of(name)) for name in NUMERIC)
        if any(len(set(own) - {0.0}) == 2 for _, own in values.own)
    ]


def _levels_text(values: PerLoss[Level]) -> str:
    if values.shared is not None:
        return " and ".join(map(level_text, values.shared))
    return "; ".join(f"{loss} {' and '.join(map(level_text, own))}" for loss, own in values.own)
