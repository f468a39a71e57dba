from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import verdicts
from analysis.comparison.comparisons import comparisons
from analysis.comparison.edges import Edge
from analysis.comparison.levels import levels_of
from analysis.metrics import GRID_AVERAGE, SELECTION, TUNED
from analysis.report.document.wording import tuning_lines
from tests.analysis.fabricated import Floats
from tests.analysis.findings import found
from tests.analysis.searched import RUNGS, searched_runs
from tests.analysis.studies import judged, simulated_runs

MARGINS = (0.1, 0.4, 1.6, 6.4)


def study(rises: dict[str, float], effect: float = 0.05, seed: int = 0) -> pd.DataFrame:
    """Validation scores that are highest at margin 1.6, or rise by some amount from there to the last margin."""
    runs = simulated_runs(np.random.default_rng(seed), seeds=13, margins=MARGINS, effect=effect)
    shape = runs["margin"].map({0.1: 0.0, 0.4: 0.1, 1.6: 0.2, 6.4: 0.1})
    for loss, rise in rises.items():
        shape[(runs["loss"] == loss) & (runs["margin"] == 6.4)] = 0.2 + rise
    runs[SELECTION] += shape
    return runs


def edges_of(runs: pd.DataFrame) -> tuple[Edge, ...]:
    (comparison,) = comparisons(runs)
    return comparison.edges


def tuned_verdict(runs: pd.DataFrame) -> pd.Series:
    table = verdicts(runs)
    return table[(table["estimand"] == TUNED) & (table["metric"] == "map_at_r")].iloc[0]


def test_sentence_26_an_inner_best_level_is_no_edge() -> None:
    runs = study({})
    assert edges_of(runs) == ()
    assert tuned_verdict(runs)["verdict"] == "triplet"


def test_sentence_26_a_best_level_at_the_end_is_an_edge_that_names_the_range_to_try() -> None:
    (edge,) = edges_of(study({"contrastive": 0.1}))
    assert (edge.arm, edge.parameter, edge.level, edge.rises) == ("contrastive", "margin", 6.4, True)
    assert edge.wider == pytest.approx((25.6, 102.4))
    assert str(edge) == "the range of margin ends at 6.4 where contrastive still rises: try 25.6 and 102"


def test_sentence_26_a_verdict_for_the_other_arm_is_insufficient_where_one_still_rises() -> None:
    row = tuned_verdict(study({"contrastive": 0.1}))
    assert row["verdict"] == "insufficient"
    assert row["reason"] == "the range of margin ends at 6.4 where contrastive still rises: try 25.6 and 102"
    table = judged(verdicts(study({"contrastive": 0.1})))
    assert set(table.loc[table["estimand"] == TUNED, "verdict"]) == {"insufficient"}
    assert "triplet" in set(table.loc[table["estimand"] == GRID_AVERAGE, "verdict"])


def test_sentence_26_a_verdict_for_the_arm_that_still_rises_stands_with_a_note() -> None:
    row = tuned_verdict(study({"triplet": 0.1}))
    assert (row["verdict"], row["strength"]) == ("triplet", "clear")
    assert "the range of margin ends at 6.4 where triplet still rises" in row["reason"]


def test_sentence_26_what_the_losses_do_when_tuned_is_unknown_where_any_arm_still_rises() -> None:
    table = judged(verdicts(study({"triplet": 0.1})))
    tuned = table[(table["estimand"] == TUNED) & (table["family"] == "mechanism")]
    assert set(tuned["verdict"]) == {"insufficient"}
    assert set(tuned["reason"]) == {"the range of margin ends at 6.4 where triplet still rises: try 25.6 and 102"}
    averaged = table[(table["estimand"] == GRID_AVERAGE) & (table["family"] == "mechanism")]
    assert "insufficient" not in set(averaged["verdict"])


def test_sentence_26_no_verdict_stands_where_both_arms_rise() -> None:
    row = tuned_verdict(study({"triplet": 0.1, "contrastive": 0.1}))
    assert row["verdict"] == "insufficient"
    assert "triplet still rises" in row["reason"]
    assert "contrastive still rises" in row["reason"]


def test_sentence_26_the_report_warns_where_a_wider_range_may_change_the_verdict() -> None:
    warning = "the range of margin ends at 6.4 where contrastive still rises: try 25.6 and 102."
    findings = found("s", study({"contrastive": 0.1}))
    assert any(warning in text for text in findings.warnings)
    assert not any("still rises" in text for text in found("s", study({})).warnings)


def test_sentence_26_the_first_level_can_be_an_edge_too() -> None:
    runs = study({})
    runs.loc[(runs["loss"] == "triplet") & (runs["margin"] == 0.1), SELECTION] += 0.5
    (edge,) = edges_of(runs)
    assert edge.wider == pytest.approx((0.025, 0.00625))
    assert edge.rises


def test_sentence_26_one_level_has_no_edge() -> None:
    assert edges_of(simulated_runs(np.random.default_rng(0), seeds=13, margins=(1.0,))) == ()


def test_sentence_26_an_extreme_that_is_best_without_a_rise_shown_gets_a_note() -> None:
    runs = simulated_runs(np.random.default_rng(0), seeds=13, margins=MARGINS)
    runs.loc[(runs["loss"] == "contrastive") & (runs["margin"] == 6.4) & (runs["seed"] == 0), SELECTION] += 0.1
    (note,) = (line for line in tuning_lines(found("s", runs)) if "end of the range" in line)
    assert "contrastive" in note
    assert note.endswith("; its best margin, 6.4, is the end of the range, where no rise is shown")


def test_sentence_26_a_level_at_which_all_runs_diverged_was_tried_and_is_no_range_to_try() -> None:
    runs = study({})
    runs.loc[(runs["loss"] == "triplet") & (runs["margin"] == 6.4), "diverged"] = True
    assert edges_of(runs) == ()


def test_sentence_26_seeds_that_have_not_tried_every_level_show_no_rise() -> None:
    """A level that two seeds of 13 have tried is not yet searched."""
    runs = study({"contrastive": 0.1, "triplet": 0.1})
    assert edges_of(runs[(runs["margin"] < 6.4) | (runs["seed"] < 2)]) == ()


def rising(arm: str, margin: Floats, rate: Floats) -> Floats:
    """The contrastive loss rises by 20 points over the range of its margins, triplet is best in the middle of it."""
    return 0.2 * margin if arm == "contrastive" else -0.4 * (margin - 0.5) ** 2


@pytest.mark.parametrize(("settings", "rungs"), [(9, ()), (27, RUNGS)])
def test_sentence_26_the_last_fifth_of_a_range_that_seeds_drew_from_is_an_edge(
    settings: int, rungs: tuple[int, ...]
) -> None:
    runs = searched_runs(np.random.default_rng(0), settings=settings, rungs=rungs, response=rising)
    (edge,) = (edge for edge in edges_of(runs) if edge.rises)
    own = runs.loc[runs["loss"] == "contrastive", "margin"]
    low, high = own.min(), own.max()
    step = (high / low) ** 0.2
    assert (edge.arm, edge.parameter, edge.level) == ("contrastive", "margin", high)
    assert edge.wider == pytest.approx((high * step, high * step**2))
    assert edge.inner == pytest.approx(high / step)
    assert str(edge).startswith(
        f"the range of margin ends at {float(f'{high:.3g}'):g} where contrastive still rises: try "
    )
    words = f"{float(f'{edge.inner:.3g}'):g} to {float(f'{high:.3g}'):g}"
    assert edge.note == f"its best fifth of the range of margin, {words}, is at an end, where no rise is shown"


def test_sentence_26_the_first_fifth_of_a_range_can_be_an_edge_too() -> None:
    runs = searched_runs(np.random.default_rng(0), settings=27, response=lambda arm, margin, rate: -0.1 * rate)
    low, high = runs["lr"].min(), runs["lr"].max()
    edges = [edge for edge in edges_of(runs) if edge.rises]
    assert [(edge.parameter, edge.level) for edge in edges] == [("lr", low)] * 2
    assert edges[0].wider[0] == pytest.approx(low / (high / low) ** 0.2)
    assert f"{float(f'{low:.3g}'):g} to " in edges[0].note


def test_sentence_26_with_halving_what_the_seeds_chose_counts_and_no_score_of_an_early_rung() -> None:
    runs = searched_runs(np.random.default_rng(0), settings=27, rungs=RUNGS, response=rising)
    early = runs["stopped_at"] > 0
    assert edges_of(runs.assign(**{SELECTION: runs[SELECTION].where(~early, 0.5)})) == edges_of(runs)
    levels = levels_of(runs[runs["loss"] == "contrastive"], "margin")
    whole = runs[~early & (runs["loss"] == "contrastive")]
    seeds = whole["seed"].unique()
    best = whole.loc[whole.groupby("seed")[SELECTION].idxmax()]
    in_last = (levels.positions(best["margin"]) == 4).sum()
    assert stats.binomtest(int(in_last), len(seeds), 0.2, alternative="greater").pvalue < 0.05 / 8


def test_sentence_26_with_halving_choices_all_over_the_range_show_no_rise() -> None:
    fired = 0
    for seed in range(60):
        runs = searched_runs(np.random.default_rng(seed), settings=9, rungs=RUNGS)
        fired += any(edge.rises for edge in edges_of(runs))
    assert fired <= 6


def test_sentence_26_a_seed_without_a_setting_in_a_fifth_is_left_out_there_and_six_must_remain() -> None:
    runs = searched_runs(np.random.default_rng(0), settings=27, response=rising)
    contrastive = runs["loss"] == "contrastive"
    levels = levels_of(runs[contrastive], "margin")
    last = pd.Series(levels.positions(runs["margin"]) == 4, index=runs.index) & contrastive
    for seeds, rises in ((6, True), (5, False)):
        # Elsewhere in the range instead: these seeds have tried as many settings.
        moved = runs.assign(margin=runs["margin"].where(~last | (runs["seed"] < seeds), levels.middle(1)))
        moved.loc[last & (runs["seed"] >= seeds), "margin"] *= np.linspace(
            0.9, 1.1, (last & (runs["seed"] >= seeds)).sum()
        )
        assert any(edge.rises and edge.parameter == "margin" for edge in edges_of(moved)) == rises


def test_sentence_26_diverged_settings_of_a_fifth_are_its_worst() -> None:
    runs = searched_runs(np.random.default_rng(0), settings=27, response=rising)
    runs["diverged"] = runs["margin"] > levels_of(runs[runs["loss"] == "contrastive"], "margin").ranges[4][0]
    assert not any(edge.arm == "contrastive" and edge.parameter == "margin" for edge in edges_of(runs))
