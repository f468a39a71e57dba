from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import claims, overall_verdicts, read_claims, slice_verdicts, verdicts
from analysis.claims import ClaimsError
from analysis.corrections import benjamini_hochberg
from analysis.overall import overall
from analysis.verdict_table import GRID_AVERAGE, TUNED
from tests.analysis.studies import simulated_runs


def study(effect: float, datasets: tuple[str, ...] = ("synthetic", "cifar10"), seed: int = 0) -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(seed), seeds=13, datasets=datasets, effect=effect)


def test_the_paper_makes_seven_claims() -> None:
    stated = read_claims()
    assert len(stated) == 7
    assert {claim.direction for claim in stated} == {"triplet", "contrastive"}
    retrieval = stated[-1]
    assert retrieval.reported_on("cub200 (encoder=vit_b_32)").difference("share") == pytest.approx(0.0267)  # type: ignore[union-attr]
    assert retrieval.reported_on("synthetic") is None


@pytest.mark.parametrize(
    ("effect", "expected", "other"), [(0.2, "supported", "contradicted"), (-0.2, "contradicted", "supported")]
)
def test_a_claim_is_supported_or_contradicted_by_the_direction(effect: float, expected: str, other: str) -> None:
    table = claims(study(effect)).set_index(["claim", "dataset"])
    for dataset in ("synthetic", "cifar10", "overall"):
        assert table.loc[("retrieval", dataset), "verdict"] == expected
        assert table.loc[("active ratio", dataset), "verdict"] == other
    assert table.loc[("retrieval", "cifar10"), "reported"] == pytest.approx(0.0759)
    assert table.loc[("retrieval", "cifar10"), "in_source"]
    assert not table.loc[("retrieval", "synthetic"), "in_source"]
    assert table.loc[("intra-class variance", "synthetic"), "reported"] == pytest.approx(2.4)


def test_the_other_verdicts_on_claims() -> None:
    quiet = simulated_runs(np.random.default_rng(0), seeds=13, effect=0.0005, pair_noise=0.001)
    assert set(claims(quiet)["verdict"]) == {"equivalent"}
    few = claims(simulated_runs(np.random.default_rng(0), seeds=5, effect=0.2))
    assert set(few["verdict"]) == {"insufficient"}
    noisy = simulated_runs(np.random.default_rng(3), seeds=13, pair_noise=0.3)
    assert "undecided" in set(claims(noisy)["verdict"])


def test_claims_of_ones_own_come_from_yaml(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("- {name: mine, statement: It is so, metric: map_at_r, direction: triplet, estimand: tuned}\n")
    table = claims(study(0.2), read_claims(file))
    assert table[["claim", "dataset", "verdict"]].to_numpy().tolist() == [
        ["mine", "cifar10", "supported"],
        ["mine", "synthetic", "supported"],
        ["mine", "overall", "supported"],
    ]


REPORTED = "- {{name: a, statement: b, metric: {}, direction: triplet, reported: [{}]}}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- {name: a, statement: b, metric: mapp, direction: triplet}", "unknown metric 'mapp'"),
        ("- {name: a, statement: b, metric: map_at_r, direction: up}", "direction"),
        ("- {name: a, statement: b, metric: grad_norm, direction: triplet, estimand: tuned}", "not how well"),
        ("[]", "at least 1"),
        ("a: [", "is no file of claims"),
        ("- {name: a, colour: red}", "mine.yaml: 0"),
        ("{name: a, statement: b, metric: map_at_r, direction: triplet}", "mine.yaml: should be a list of claims$"),
        ("", "mine.yaml: should be a list of claims$"),
        ("- {name: '', statement: b, metric: map_at_r, direction: triplet}", "0.name"),
        ("- {name: a, statement: ' ', metric: map_at_r, direction: triplet}", "0.statement"),
        (2 * "- {name: a, statement: b, metric: map_at_r, direction: triplet}\n", "more than one claim is called 'a'$"),
        (REPORTED.format("grad_norm", "{triplet: 1, contrastive: 0}"), "not positive, but grad_norm is compared by"),
        (REPORTED.format("grad_norm", "{triplet: -1, contrastive: 1}"), "not positive, but grad_norm is compared by"),
        (REPORTED.format("grad_norm", "{ratio: -2}"), "reported.0.ratio"),
        (REPORTED.format("grad_norm", "{ratio: .inf}"), "reported.0.ratio"),
        (REPORTED.format("map_at_r", "{triplet: .nan, contrastive: 0.5}"), "reported.0.triplet"),
        (REPORTED.format("map_at_r", "{ratio: 2}"), "reports a ratio, but map_at_r is compared by differences"),
        (REPORTED.format("map_at_r", "{dataset: x, triplet: 1}, {dataset: x}"), "reports figures on x more than once"),
        (REPORTED.format("map_at_r", "{dataset: ''}"), "reported.0.dataset"),
    ],
)
def test_a_bad_file_of_claims_is_one_line(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(ClaimsError, match=expected) as caught:
        read_claims(file)
    assert "\n" not in str(caught.value)


def row(
    verdict: str,
    above: float = 1.0,
    below: float = 1.0,
    equivalent: float = 1.0,
    greater: float = 1.0,
    less: float = 1.0,
) -> dict[str, object]:
    tests = {"p_above": above, "p_below": below, "p_equivalence": equivalent, "p_greater": greater, "p_less": less}
    return {"verdict": verdict, **tests}


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
def test_sentence_19_overall_needs_more_than_half_and_none_the_other_way(
    rows: list[dict[str, object]], expected: str
) -> None:
    assert overall(pd.DataFrame(rows))["verdict"] == expected


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
    assert whole["p_triplet_small"] <= 0.025 < whole["p_triplet"]
    assert whole["p_contrastive_small"] > 0.9


def test_sentence_19_overall_verdicts_cover_every_estimand_and_metric() -> None:
    table = overall_verdicts(verdicts(study(0.2)))
    assert len(table) == 23
    assert set(table["verdict"]) == {"triplet"} or "equivalent" in set(table["verdict"])


def test_sentence_6_an_effect_in_one_miner_alone_shows_in_its_slice() -> None:
    runs = simulated_runs(np.random.default_rng(5), seeds=13, miners=("all", "hard", "semihard"))
    hard = (runs["miner"] == "hard") & (runs["loss"] == "triplet")
    runs.loc[hard, "test/map_at_r"] += 0.06
    slices = slice_verdicts(runs)
    averaged = slices[slices["estimand"] == GRID_AVERAGE]
    mine = averaged[averaged["metric"] == "map_at_r"].set_index("slice")["verdict"]
    assert mine["miner=hard"] == "triplet"
    assert mine["miner=all"] in ("equivalent", "undecided", "contrastive, small", "triplet, small")
    assert mine["without miner=hard"] != "triplet"
    assert {"without margin=0.2", "without margin=1"} <= set(mine.index)
    assert not any("lr" in name for name in mine.index)  # one learning rate: nothing to leave out
    assert slices["estimand"].tolist() == [GRID_AVERAGE] * len(averaged) + [TUNED] * (len(slices) - len(averaged))


def test_sentence_6_each_slice_is_tuned_anew_among_its_own_settings() -> None:
    runs = simulated_runs(
        np.random.default_rng(6), seeds=13, miners=("all", "hard", "semihard"), margins=(0.2, 0.5, 1.0)
    )
    best = (runs["loss"] == "triplet") & (runs["miner"] == "hard") & (runs["margin"] == 0.5)
    runs.loc[best, ["val/map_at_r", "test/map_at_r"]] += 0.1
    runs = runs[~((runs["loss"] == "contrastive") & (runs["miner"] == "semihard"))]  # unequal budgets, but in slices
    slices = slice_verdicts(runs)
    mine = slices[(slices["estimand"] == TUNED) & (slices["metric"] == "map_at_r")].set_index("slice")
    chosen = mine["chosen_triplet"].astype(str)
    assert chosen["miner=hard"] == "hard, margin 0.5, lr 0.001"
    assert chosen["miner=all"].startswith("all, margin ")
    assert (mine.loc["miner=hard", "verdict"], mine.loc["miner=hard", "n"]) == ("triplet", 10)
    assert (mine.loc["miner=all", "budget"], mine.loc["without miner=semihard", "budget"]) == (3, 6)
    assert mine.loc["miner=all", "verdict"] != "triplet"
    assert "miner=semihard" not in mine.index  # one loss alone
    assert mine.loc["without margin=0.5", "reason"] == "unequal budgets: 6 for triplet, 4 for contrastive"
    assert set(slices.loc[slices["estimand"] == TUNED, "metric"]) == {"map_at_r", "recall_at_1", "linear_accuracy"}


def test_sentence_12_slices_of_both_estimands_are_corrected_together() -> None:
    slices = slice_verdicts(simulated_runs(np.random.default_rng(7), seeds=13, effect=0.005))
    assert set(slices["estimand"]) == {GRID_AVERAGE, TUNED}
    corrected = benjamini_hochberg(slices["p_value"].to_numpy(float))
    np.testing.assert_allclose(slices["p_corrected"], corrected)


def test_seeds_that_a_slice_lacks_are_missing_and_tune_nowhere_else() -> None:
    runs = simulated_runs(np.random.default_rng(8), seeds=20, effect=0.1)
    lacking = runs[~((runs["miner"] == "hard") & runs["seed"].isin([0, 17, 18, 19]))]
    slices = slice_verdicts(lacking)
    mine = slices[(slices["slice"] == "miner=hard") & (slices["metric"] == "map_at_r")].set_index("estimand")
    assert mine.loc[GRID_AVERAGE, "missing_share"] == pytest.approx(4 / 20)
    assert mine.loc[GRID_AVERAGE, "verdict"] == "insufficient"
    assert mine.loc[TUNED, "reason"] == "no setting of either loss has a validation score of every tuning seed"
