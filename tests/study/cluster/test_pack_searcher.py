"""Which packs a trial gets, without Ray."""

from __future__ import annotations

from typing import Any

from ray.tune.search import Searcher

from study.cluster.pack_searcher import PackSearcher
from study.cluster.trials import TrialCallback
from tests.study.cluster.listeners import Collected
from trainables.tune_adapter import TrainingJob


class Session:
    """Trials of a searcher, of which some train at once."""

    def __init__(self, seconds: list[float]) -> None:
        self.seconds = seconds
        self.jobs: list[Any] = [f"job {position}" for position in range(len(seconds))]
        self.callback = TrialCallback(Collected())
        jobs: list[TrainingJob] = self.jobs
        self.searcher = PackSearcher(jobs, self.callback, lambda position: self.seconds[position])

    def suggested(self, trial: str) -> list[int] | str | None:
        """The positions of the packs that a trial gets, or what the searcher says instead."""
        found = self.searcher.suggest(trial)
        if not isinstance(found, dict):
            return found
        assert found["jobs"] == [(position, f"job {position}") for position, _ in found["jobs"]]
        return [position for position, _ in found["jobs"]]

    def ends(self, trial: str, positions: list[int]) -> None:
        """A trial ends with results of some packs."""
        self.callback.finished.update(positions)
        self.searcher.on_trial_complete(trial)


def test_short_packs_share_a_trial_and_long_ones_have_their_own() -> None:
    session = Session([60.0, 20.0, *[1.0] * 100])
    assert [session.suggested(trial) for trial in "abcd"] == [[0], [1], [2, 3, 4, 5, 6], [7, 8, 9, 10, 11]]


def test_at_the_end_packs_are_dealt_out_one_by_one() -> None:
    session = Session([1.0] * 12)
    sizes = []
    while isinstance(positions := session.suggested("a"), list):
        sizes.append(len(positions))
        session.ends("a", positions)
    assert sum(sizes) == 12
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 3
    assert sizes[-3:] == [1, 1, 1]


def test_every_pack_is_trained_once_and_what_brought_no_result_once_more() -> None:
    session = Session([1.0] * 16)
    first = session.suggested("a")
    assert first == [0, 1, 2, 3]
    session.ends("a", [0, 1, 3])
    assert session.suggested("b") == [2]
    session.ends("b", [2])
    seen = []
    while isinstance(positions := session.suggested("c"), list):
        seen += positions
        session.ends("c", positions)
    assert seen == [*range(4, 16)]
    assert positions == Searcher.FINISHED


def test_a_searcher_waits_for_results_that_may_call_for_more() -> None:
    session = Session([1.0])
    assert session.suggested("a") == [0]
    assert session.suggested("b") is None
    session.seconds.append(1.0)
    session.jobs.append("job 1")
    assert session.suggested("b") == [1]
