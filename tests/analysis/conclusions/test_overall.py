from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import claims, overall_verdicts, verdicts
from analysis.comparison.result import Result, Verdict
from analysis.conclusions.overall import overall
from analysis.metrics import METRICS, TUNED
from tests.analysis.studies import simulated_runs


def study(effect: float, datasets: tuple[str, ...] = ("synthetic", "cifar10"), seed: int = 0) -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(seed), seeds=13, datasets=datasets, effect=effect)


ARMS = {"first": "triplet", "second": "contrastive"}


def row(
    verdict: str,
    above: float = 1.0,
    below: float = 1.0,
    equivalent: float = 1.0,
    greater: float = 1.0,
    less: float = 1.0,
) -> Result:
    tests = {"p_above": above, "p_below": below, "p_equivalence": equivalent, "p_greater": greater, "p_less": less}
    return Result(metric="map_at_r", scale="share", rope=0.01, verdict=VERDICTS[verdict], **ARMS, **tests)  # type: ignore[arg-type]


VERDICTS = {
    "triplet": Verdict("named", side="triplet", strength="clear"),
    "triplet, small": Verdict("named", side="triplet", strength="small"),
    "contrastive": Verdict("named", side="contrastive", strength="clear"),
    "contrastive, small": Verdict("named", side="contrastive", strength="small"),
    "equivalent": Verdict("equivalent"),
    "undecided": Verdict("undecided"),
    "insufficient": Verdict("insufficient"),
}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("triplet", above=0.001)] * 3 + [row("undecided")] * 2, "triplet"),
        ([row("triplet", above=0.001)] * 2 + [row("undecided")] * 3, "undecided"),
        ([row("triplet", above=0.001)] * 4 + [row("contrastive", below=0.001)], "mixed"),
        ([row("triplet", above=0.001)] * 4 + [row("contrastive, small", below=0.2)], "mixed"),
        ([row("triplet", above=0.02)] * 3 + [row("undecided")] * 2, "undecided"),
        ([row("equivalent", equivalent=0.001)] * 3 + [row("undecided")] * 2, "equivalent"),
        ([row("triplet", above=0.001)] * 3 + [row("insufficient")] * 2, "triplet"),
        ([row("triplet", above=0.001)] * 2 + [row("insufficient")] * 3, "undecided"),
        ([row("insufficient")] * 5, "insufficient"),
        ([row("triplet, small", greater=0.001)] * 3, "triplet, small"),
        ([row("contrastive, small", less=0.001)] * 3 + [row("undecided")] * 2, "contrastive, small"),
        ([row("triplet, small", greater=0.001)] * 2 + [row("triplet", above=0.001, greater=0.001)], "triplet, small"),
        ([row("triplet, small", greater=0.001)] * 2 + [row("undecided")] * 2, "undecided"),
        ([row("triplet, small", greater=0.001)] * 4 + [row("contrastive, small", less=0.001)], "mixed"),
        ([row("triplet, small", greater=0.02)] * 3 + [row("undecided")] * 2, "undecided"),
        (
            [row("triplet, small", greater=0.001)] + [row("equivalent", equivalent=0.001, greater=0.001)] * 4,
            "undecided",
        ),
        ([row("equivalent", equivalent=0.001, greater=0.001)] * 3, "equivalent"),
        ([row("undecided", greater=0.001)] * 3, "undecided"),
    ],
)
def test_sentence_19_overall_needs_more_than_half_and_none_the_other_way(rows: list[Result], expected: str) -> None:
    assert str(overall(rows).verdict) == expected


def test_sentence_19_what_is_small_on_every_dataset_is_small_overall_and_supports_a_claim() -> None:
    runs = simulated_runs(
        np.random.default_rng(0),
        seeds=16,
        datasets=("a", "b", "c"),
        effect=0.010,
        pair_noise=0.002,
        run_noise=0.0005,
    )
    table = claims(runs)
    assert set(table.loc[table["claim"] == "retrieval", "verdict"]) == {"supported"}
    table = overall_verdicts(verdicts(runs))
    whole = table[(table["estimand"] == TUNED) & (table["metric"] == "recall_at_1")].iloc[0]
    assert whole["verdict"] == "triplet, small"
    assert whole["reason"] == "not zero, shown on at least 2 of 3 datasets"
    assert whole["p_first_small"] <= 0.025 < whole["p_first"]
    assert whole["p_second_small"] > 0.9


def test_sentence_19_overall_verdicts_cover_every_estimand_and_metric() -> None:
    table = overall_verdicts(verdicts(study(0.2)))
    assert len(table) == 3 * sum(metric.judged for metric in METRICS)
    assert set(table["verdict"]) <= {"triplet", "equivalent"}


def test_sentence_19_counts_are_said_as_shown_on_some_of_how_many_are_needed() -> None:
    one_of_two = [row("triplet", above=0.001), row("undecided")]
    assert overall(one_of_two).verdict.reason == "triplet shown on 1 of 2; 2 are needed"
    assert overall([row("equivalent", equivalent=0.001)] + [row("undecided")] * 2).verdict.reason == (
        "equivalence shown on 1 of 3; 2 are needed"
    )
    assert overall([row("triplet", above=0.001)] * 2).verdict.reason == "shown on both datasets"
    assert overall([row("undecided")] * 2).verdict.reason == "shown on no dataset"


def test_sentence_20_what_is_mostly_censored_shows_nothing_overall() -> None:
    censored = replace(row("undecided", equivalent=0.001), censored_first=0.9, censored_second=0.8)
    assert str(overall([censored]).verdict) == "undecided"
    assert str(overall([censored] * 2 + [row("equivalent", equivalent=0.001)]).verdict) == "undecided"
