from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from analysis import claims, verdicts
from analysis.conclusions.claims_file import Claim, ClaimsError
from analysis.metrics import TUNED
from analysis.statistics.corrections import holm
from tests.analysis.studies import simulated_runs


def study(effect: float, datasets: tuple[str, ...] = ("synthetic", "cifar10"), seed: int = 0) -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(seed), seeds=13, datasets=datasets, effect=effect)


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


def at_default(runs: pd.DataFrame) -> pd.Series:
    return (runs["miner"] == "all") & (runs["margin"] == 1.0)


def retrieval(runs: pd.DataFrame) -> pd.DataFrame:
    return claims(runs, [CLASSIFIES]).set_index("dataset")


CLASSIFIES = Claim(name="c", statement="Triplet classifies better", metric="linear_accuracy", direction="triplet")
VARIES = Claim(name="v", statement="Triplet varies more", metric="intra_variance", direction="triplet")


def test_sentence_5_a_claim_depends_on_the_margin_where_two_places_name_opposite_arms() -> None:
    runs = study(0.1, ("digits",))
    runs.loc[at_default(runs) & (runs["loss"] == "triplet"), ["val/map_at_r", "test/linear_accuracy"]] -= 0.3
    table = retrieval(runs)
    assert table.loc["digits", "verdict"] == "depends on the margin"
    assert table.loc["digits", "reason"] == "contrastive: default setting; triplet: tuned, grid average"
    assert table.loc["overall", "reason"] == "on digits"
    assert table.loc["digits", "at default setting"] == "contrastive"
    assert table.loc["digits", "at tuned"] == "triplet"


def test_sentence_5_the_default_setting_decides_on_mechanism_and_the_tuned_settings_on_performance() -> None:
    runs = study(0.0, ("digits",))
    runs.loc[at_default(runs) & (runs["loss"] == "triplet"), ["test/linear_accuracy", "test/intra_variance"]] += 0.3
    runs.loc[runs["miner"] == "hard", "val/map_at_r"] += 0.3
    table = claims(runs, [CLASSIFIES, VARIES])
    on_digits = table[table["dataset"] == "digits"].set_index("claim")
    assert on_digits["estimand"].to_dict() == {"c": "tuned", "v": "default setting"}
    assert on_digits["verdict"].to_dict() == {"c": "equivalent", "v": "supported"}
    assert on_digits["at default setting"].to_dict() == {"c": "triplet", "v": "triplet"}
    assert "triplet" not in set(on_digits["at tuned"])


def test_sentence_5_the_places_of_a_claim_are_corrected_together() -> None:
    runs = study(0.02, ("digits",), seed=4)
    table = claims(runs, [CLASSIFIES])
    by_place = verdicts(runs).set_index("metric").loc["linear_accuracy"].set_index("estimand")["p_value"]
    assert table["p_corrected"][0] == pytest.approx(holm(by_place.to_numpy())[by_place.index.get_loc("tuned")])


def test_sentence_5_a_claim_on_mechanism_needs_runs_at_the_default_setting() -> None:
    runs = study(0.2, ("digits",))
    table = claims(runs[runs["margin"] != 1.0], [VARIES])
    assert set(table["verdict"]) == {"insufficient"}
    reason = "no runs of both losses at the default setting (all, margin 1, lr 0.001)"
    assert set(table["reason"]) == {reason}


def test_sentence_5_a_dataset_without_the_place_that_decides_counts_as_one_that_shows_nothing() -> None:
    runs = study(0.2, ("digits", "birds"))
    runs = runs[(runs["dataset"] == "digits") | (runs["margin"] != 1.0)]
    table = claims(runs, [VARIES]).set_index("dataset")
    assert table.loc["digits", "verdict"] == "supported"
    assert table.loc["birds", "verdict"] == "insufficient"
    assert table.loc["birds", "n"] == 0
    assert table.loc["overall", "verdict"] == "undecided"
    assert table.loc["overall", "reason"] == "triplet shown on 1 of 2; 2 are needed"


def test_sentence_19_a_claim_on_mixed_datasets_says_where_it_is_supported_and_where_not() -> None:
    runs = pd.concat([study(0.2, ("digits",)), study(-0.2, ("birds",))], ignore_index=True)
    table = retrieval(runs)
    assert table.loc["overall", "verdict"] == "mixed"
    assert table.loc["overall", "reason"] == "supported on digits, contradicted on birds"


@pytest.mark.parametrize(("reported", "size"), [(0.5, "smaller"), (0.05, "larger"), (0.2, "compatible")])
def test_sentence_28_a_supported_claim_says_how_its_size_compares(reported: float, size: str) -> None:
    figures = [{"triplet": 0.5 + reported, "contrastive": 0.5}]
    claim = Claim.model_validate({**CLASSIFIES.model_dump(), "reported": figures})
    assert claims(study(0.2, ("digits",)), [claim])["size"][0] == size
    swapped = {**CLASSIFIES.model_dump(), "direction": "contrastive"}
    figures = [{"triplet": 0.5 - reported, "contrastive": 0.5}]
    other_way = Claim.model_validate({**swapped, "reported": figures})
    assert claims(study(-0.2, ("digits",)), [other_way])["size"][0] == size
    assert pd.isna(claims(study(-0.2, ("digits",)), [claim])["size"][0])  # contradicted


def test_a_claim_names_its_arms_where_a_study_has_several() -> None:
    runs = study(0.2, ("digits",))
    third = runs[runs["loss"] == "contrastive"].assign(loss="softmax")
    three = pd.concat([runs, third.assign(key="softmax-" + third["key"])], ignore_index=True)
    mine = {"name": "mine", "statement": "It is so", "metric": "map_at_r", "direction": "triplet", "estimand": TUNED}
    with pytest.raises(
        ClaimsError, match=r"^claim 'mine' does not say against which arm it is: contrastive or softmax$"
    ):
        claims(three, [Claim(**mine)])  # type: ignore[arg-type]
    table = claims(three, [Claim(**mine, against="softmax")])  # type: ignore[arg-type]
    assert table[["dataset", "verdict"]].to_numpy().tolist() == [["digits", "supported"], ["overall", "supported"]]
    assert (table["first"][0], table["second"][0]) == ("triplet", "softmax")


def test_the_papers_claims_are_not_measured_where_a_study_lacks_one_of_its_losses() -> None:
    runs = study(0.2, ("digits",))
    table = claims(runs[runs["loss"] == "triplet"])
    assert set(table["verdict"]) == {"insufficient"}
    assert set(table["reason"]) == {"not measured"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"direction": "tripplet"}, "claim 'mine' names 'tripplet', which the study has no runs of: did you mean"),
        ({"against": "contrastiv"}, "names 'contrastiv', which the study has no runs of: did you mean 'contrastive'?"),
        ({"reported": [{"rato": 2.4}]}, "names 'rato', which the study has no runs of: it has contrastive, triplet"),
    ],
)
def test_a_claim_of_ones_own_about_what_a_study_lacks_is_an_error(changed: dict[str, object], expected: str) -> None:
    stated = {"name": "mine", "statement": "It is so", "metric": "map_at_r", "direction": "triplet", **changed}
    with pytest.raises(ClaimsError, match=re.escape(expected)):
        claims(study(0.2, ("digits",)), [Claim.model_validate(stated)])


def test_a_source_may_report_one_loss_alone() -> None:
    stated = {"name": "mine", "statement": "It is so", "metric": "map_at_r", "direction": "triplet"}
    reported = [{"triplet": 0.4, "contrastive": None}]
    table = claims(study(0.2, ("digits",)), [Claim.model_validate({**stated, "reported": reported})])
    assert table["reported"].isna().all()


def test_a_dataset_studied_in_two_ways_has_the_sources_figure_in_both() -> None:
    runs = study(0.2, ("cifar10",))
    both = pd.concat([runs, runs.assign(encoder="linear", key="linear " + runs["key"])], ignore_index=True)
    table = claims(both).set_index(["claim", "dataset"])
    for dataset in ("cifar10 (encoder=mlp)", "cifar10 (encoder=linear)"):
        assert table.loc[("retrieval", dataset), "reported"] == pytest.approx(0.0759)
        assert table.loc[("retrieval", dataset), "in_source"]
