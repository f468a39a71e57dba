from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import claims, read_claims
from analysis.comparison.arms import ArmPair
from analysis.conclusions.claims_file import ClaimsError
from tests.analysis.studies import simulated_runs


def study(effect: float, datasets: tuple[str, ...] = ("synthetic", "cifar10"), seed: int = 0) -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(seed), seeds=13, datasets=datasets, effect=effect)


def test_the_paper_makes_seven_claims() -> None:
    stated = read_claims()
    assert len(stated) == 7
    assert {claim.direction for claim in stated} == {"triplet", "contrastive"}
    retrieval = next(claim for claim in stated if claim.name == "retrieval")
    on_birds = retrieval.reported_on("cub200")
    assert on_birds is not None
    assert on_birds.difference(ArmPair("triplet", "contrastive"), "share") == pytest.approx(0.0267)
    assert retrieval.reported_on("synthetic") is None


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
        ("- {name: a, statement: b, metric: map_at_r, direction: ''}", "0.direction"),
        (
            "- {name: a, statement: b, metric: map_at_r, direction: up, against: up}",
            "direction and against are both 'up'",
        ),
        (
            REPORTED.format("map_at_r", "{triplet: 0.5, contrastiv: 0.4}, {dataset: x, contrastive: 1}"),
            "a value of 'contrastive'",
        ),
        ("- {name: a, statement: b, metric: grad_norm, direction: triplet, estimand: best}", "grid average"),
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- &a [x, x]\n- [*a, *a]", "aliases such as"),
        ("[" * 100_000, "nested|nesting"),
        ("- {name: 0x" + "f" * 5000 + "}", "more than 100 digits"),
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_would_unfold_without_end_is_one_line(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(ClaimsError, match=said) as caught:
        read_claims(tmp_path / "a.yaml")
    assert str(caught.value).isprintable()


def test_a_claim_says_nothing_that_acts_on_a_terminal(tmp_path: Path) -> None:
    statement = '"Up \\e[2J\\n\\u202e down"'
    fields = f'name: "a\\eb", statement: {statement}, metric: map_at_r, direction: triplet'
    (tmp_path / "a.yaml").write_text(f"- {{{fields}}}")
    (claim,) = read_claims(tmp_path / "a.yaml")
    assert (claim.name, claim.statement) == ("a\\x1bb", "Up \\x1b[2J \\u202e down")
