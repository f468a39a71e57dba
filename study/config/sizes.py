"""How large a study may be: counted by multiplication, before anything is listed."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized

from analysis.limits import raised, remedy
from trainables.datasets.synthetic import SyntheticOptions

MOST_SAMPLES = 10_000_000  # of one draw of `synthetic`
MOST_VALUES = 2_000_000_000  # in it, 8 GB


def check_runs(tried: Sequence[Sequence[Sized]], seeds: int, datasets: int, most: int) -> None:
    """Refuses a grid that is too large.

    Args:
        tried: The values of each hyperparameter that each loss tries.
        seeds: How many seeds each setting has.
        datasets: How many datasets there are, each counted once an encoder.
        most: The most runs that the study may have.

    Raises:
        ValueError: With the number of runs.
    """
    settings = [math.prod(len(values) for values in of_loss) for of_loss in tried]
    runs = datasets * seeds * sum(settings)
    if runs > most:
        raise ValueError(
            f"{datasets} datasets x {seeds} seeds x {sum(settings)} runs of all losses are {runs} runs, more than "
            f"{most}: give fewer values or --settings, or raise --most-runs"
        )


def check_clusters(options: SyntheticOptions) -> None:
    """Refuses clusters that cannot be drawn.

    Raises:
        ValueError: If an option is out of its range, or a draw would not fit into memory.
    """
    counts = (options.classes - 1, options.samples_per_class, options.dim)
    scales = (options.separation, options.spread)
    fractions = (options.overlap, options.outliers)
    if min(counts) < 1 or not all(0 < scale < float("inf") for scale in scales):
        raise ValueError("needs at least 2 classes, and a positive samples_per_class, dim, separation and spread")
    if not all(0 <= fraction <= 1 for fraction in fractions):
        raise ValueError("overlap and outliers are shares between 0 and 1")
    samples = options.classes * options.samples_per_class
    if samples > raised(MOST_SAMPLES) or samples * options.dim > raised(MOST_VALUES):
        raise ValueError(
            f"classes x samples_per_class x dim may be {raised(MOST_SAMPLES)} samples of {raised(MOST_VALUES)} values "
            f"in all: {remedy()}"
        )
