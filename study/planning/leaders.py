"""Which loss leads so far on each dataset, by validation scores: provisional, and no verdict."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from analysis.plain_text import name_text
from study.planning.grid import Run

PROVISIONAL = "leaders so far, by validation MAP@R (provisional: no verdict)"


class Leaders:
    """The best validation score of each seed, for each dataset, encoder and loss, among runs trained to the end."""

    def __init__(self) -> None:
        self._best: defaultdict[str, defaultdict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))

    def add(self, runs: Iterable[Run], scores: Mapping[str, float]) -> None:
        """Takes what is known of some runs.

        Args:
            runs: Trained or not.
            scores: Their validation scores by key; minus infinity for one that diverged.
        """
        for run in runs:
            score, structure = scores.get(run.key, -math.inf), run.structure
            if structure.stop_at is None and math.isfinite(score):
                dataset = f"{name_text(structure.dataset)} ({structure.encoder})"
                of_seeds = self._best[dataset][structure.loss]
                of_seeds[run.member.seed] = max(score, of_seeds.get(run.member.seed, -math.inf))

    def lines(self) -> list[str]:
        """A line for each dataset with a score."""
        return [
            leader_text(dataset, {loss: list(of_seeds.values()) for loss, of_seeds in by_loss.items()})
            for dataset, by_loss in self._best.items()
        ]


def leader_text(dataset: str, scores: Mapping[str, list[float]]) -> str:
    """Losses with the mean of their seeds' best scores, the highest first.

    Args:
        dataset: In words.
        scores: By loss, one a seed, at least one.
    """
    means = sorted(((sum(own) / len(own), loss, len(own)) for loss, own in scores.items()), reverse=True)
    return f"{dataset}: {', '.join(f'{loss} {mean:.2%} ({_seeds(count)})' for mean, loss, count in means)}"


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"
