"""What the families of tests of a study can show, before it is trained."""

from __future__ import annotations

from analysis.conclusions.families import claim_power, family_power, seeds_needed


def test_sentence_13_the_planner_knows_what_seeds_can_reach() -> None:
    assert all(power.can_reject for power in family_power(seeds=13, comparisons=2))
    assert not any(power.can_reject for power in family_power(seeds=5, comparisons=2))
    assert not all(power.can_reject for power in family_power(seeds=11, comparisons=6))
    assert seeds_needed(2) == 11
    assert seeds_needed(6) <= 16
    by_estimand = {(power.estimand, power.seeds) for power in family_power(seeds=13, comparisons=2)}
    assert by_estimand == {("tuned", 13), ("grid average", 13), ("default setting", 13)}


def test_sentence_13_claims_need_seeds_for_all_their_places_together() -> None:
    mechanism = next(power for power in claim_power(seeds=10, comparisons=2, places=3) if power.family == "mechanism")
    assert mechanism.tests == 5 * 2 * 3
    assert not mechanism.can_reject
    assert all(power.can_reject for power in claim_power(seeds=13, comparisons=7, places=3))
