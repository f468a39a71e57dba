from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import claims, overall_verdicts, read_claims, slice_verdicts, verdicts
from analysis.claims import ClaimsError
from analysis.overall import overall
from analysis.verdict_table import GRID_AVERAGE
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


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- {name: a, statement: b, metric: mapp, direction: triplet}", "unknown metric 'mapp'"),
        ("- {name: a, statement: b, metric: map_at_r, direction: up}", "direction"),
        ("- {name: a, statement: b, metric: grad_norm, direction: triplet, estimand: tuned}", "not how well"),
        ("[]", "at least 1"),
        ("a: [", "is no file of claims"),
        ("- {name: a, colour: red}", "mine.yaml: 0"),
    ],
)
def test_a_bad_file_of_claims_is_one_line(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(ClaimsError, match=expected) as caught:
        read_claims(file)
    assert "\n" not in str(caught.value)


def row(verdict: str, above: float = 1.0, below: float = 1.0, equivalent: float = 1.0) -> dict[str, object]:
    return {"verdict": verdict, "p_above": above, "p_below": below, "p_equivalence": equivalent}


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
    ],
)
def test_sentence_19_overall_needs_more_than_half_and_none_the_other_way(
    rows: list[dict[str, object]], expected: str
) -> None:
    assert overall(pd.DataFrame(rows))["verdict"] == expected


def test_sentence_19_overall_verdicts_cover_every_estimand_and_metric() -> None:
    table = overall_verdicts(verdicts(study(0.2)))
    assert len(table) == 23
    assert set(table["verdict"]) == {"triplet"} or "equivalent" in set(table["verdict"])


def test_sentence_6_an_effect_in_one_miner_alone_shows_in_its_slice() -> None:
    runs = simulated_runs(np.random.default_rng(5), seeds=13, miners=("all", "hard", "semihard"))
    hard = (runs["miner"] == "hard") & (runs["loss"] == "triplet")
    runs.loc[hard, "test/map_at_r"] += 0.06
    slices = slice_verdicts(runs)
    mine = slices[slices["metric"] == "map_at_r"].set_index("slice")["verdict"]
    assert mine["miner=hard"] == "triplet"
    assert mine["miner=all"] in ("equivalent", "undecided", "contrastive, small", "triplet, small")
    assert mine["without miner=hard"] != "triplet"
    assert {"without margin=0.2", "without margin=1"} <= set(mine.index)
    assert not any("lr" in name for name in mine.index)  # one learning rate: nothing to leave out
    assert set(slices["estimand"]) == {GRID_AVERAGE}
