"""The benchmarks measure what they say, in small, and README's table is what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from upath import UPath

from analysis.store.records import write_record
from tests.benchmarks import training_speed
from tests.benchmarks.figures import Figure, Measured, in_turn, read_measured, rows, write_measured
from tests.benchmarks.retrieval_speed import clusters, peer_of
from tests.benchmarks.table import BEGIN, END, FIGURES, README, table, with_table
from tests.benchmarks.training_speed import evaluation_seconds
from tests.benchmarks.whole_commands import packs_seconds
from tests.study.recording.records import record
from trainables.datasets.registry import load_vectors
from trainables.evaluation.retrieval import retrieval_metrics
from trainables.training.loop import train_pack

SMALL = Measured(
    "a processor, 2 cores", "torch 2", "2026-01-01", (Figure("it", {"ours": [1.0, 3.0, 2.0], "theirs": [4.0]}),)
)


def test_ways_are_taken_in_turn() -> None:
    taken: list[str] = []
    seconds = in_turn({name: lambda name=name: taken.append(name) for name in "ab"}, 2)  # type: ignore[misc]
    assert taken == ["a", "b", "a", "b", "a", "b"], "once before it counts"
    assert {name: len(own) for name, own in seconds.items()} == {"a": 2, "b": 2}


def test_a_row_has_the_median_the_spread_and_the_times_of_the_first() -> None:
    assert rows(SMALL.figures[0]) == [
        ("ours", "2 s (1 s to 3 s, 3 times)", "1.00"),
        ("theirs", "4 s (4 s to 4 s, 1 times)", "2.00"),
    ]


def test_what_was_measured_is_the_same_after_its_file(tmp_path: Path) -> None:
    write_measured(tmp_path / "build" / "bench.json", SMALL)
    assert read_measured(tmp_path / "build" / "bench.json") == SMALL


def test_readmes_table_is_what_was_measured() -> None:
    text = README.read_text()
    assert with_table(text, read_measured(FIGURES)) == text
    assert table(SMALL) in with_table(f"before {BEGIN} old {END} after", SMALL)
    with pytest.raises(ValueError, match="in it"):
        with_table("no marks", SMALL)


def test_the_peer_finds_the_same_recall_and_map_at_r() -> None:
    pytest.importorskip("faiss")
    embeddings, labels = clusters(700, 7)
    ours = retrieval_metrics(embeddings.unsqueeze(0), labels.unsqueeze(0))
    recall, map_at_r = peer_of(embeddings, labels)()
    assert (float(ours["recall_at_1"]), float(ours["map_at_r"])) == pytest.approx((recall, map_at_r), abs=1e-6)


def test_evaluations_are_timed_while_packs_train(monkeypatch: pytest.MonkeyPatch) -> None:
    with evaluation_seconds() as spent:
        train_pack(training_speed.digits_pack("triplet", 2, epochs=3), load_vectors("digits"))
    assert len(spent) == 2, "of the untrained network and at the end"
    monkeypatch.setattr(training_speed, "MEMBERS", 2)
    (figure, _) = training_speed.step_figures(1)
    assert [len(seconds) for seconds in figure.seconds.values()] == [1, 1]


def test_what_packs_took_is_read_from_their_records(tmp_path: Path) -> None:
    for name in "pq":
        write_record(UPath(tmp_path) / "records", replace(record([name]), pack=name))
    assert packs_seconds(UPath(tmp_path)) == 2.0
