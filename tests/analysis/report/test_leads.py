from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.comparison.arms import ArmPair
from analysis.comparison.result import Verdict
from analysis.conclusions.effort import Effort, Lead
from analysis.report.document.assembly import report, summary
from analysis.report.document.leads import LEAD, effort_lines
from analysis.report.figures.conditions import tuning_difference, tuning_effort
from analysis.report.figures.panels import TUNING_EFFORT, Panel
from analysis.report.findings import Findings
from analysis.report.renderers.markdown import markdown
from analysis.report.renderers.terminal import terminal
from tests.analysis.findings import found
from tests.analysis.searched import RUNGS, searched_runs
from tests.analysis.studies import simulated_runs

ARMS = ArmPair("triplet", "contrastive")
UNDECIDED, EQUIVALENT, INSUFFICIENT = (Verdict(name) for name in ("undecided", "equivalent", "insufficient"))  # type: ignore[arg-type]


def named(arm: str, strength: str = "clear") -> Verdict:
    return Verdict("named", side=arm, strength=strength)  # type: ignore[arg-type]


def said(
    verdict: Verdict,
    band: tuple[float, float],
    *leads: tuple[str, int, int],
    beyond: int | None = None,
    within: int | None = None,
) -> str:
    """The sentence on 16 settings."""
    every = tuple(Lead(*lead) for lead in leads)
    effort = Effort("digits", ARMS, 16, band, 0.01, every, beyond, within, verdict)
    findings = object.__new__(Findings)
    object.__setattr__(findings, "efforts", (effort,))
    (line,) = effort_lines(findings)
    return line.removeprefix("digits: ")


CLEAR, SMALL, OPEN, NEAR = (0.012, 0.034), (0.002, 0.03), (-0.004, 0.012), (-0.004, 0.006)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            said(named("triplet"), CLEAR, ("triplet", 3, 16), beyond=5),
            "from 3 of 16 settings on triplet is better (MAP@R +1.20 to +3.40 pt at 16), from 5 on by more than 1 pt",
        ),
        (
            said(named("triplet"), CLEAR, ("triplet", 1, 16), beyond=1),
            "with any number of settings up to 16 triplet is better by more than 1 pt (MAP@R +1.20 to +3.40 pt at 16)",
        ),
        (
            said(named("contrastive", "small"), (-0.03, -0.002), ("contrastive", 16, 16)),
            "with all 16 settings contrastive is better (MAP@R +0.20 to +3.00 pt at 16), but not shown to be more than "
            "1 pt better",
        ),
        (
            said(named("triplet"), CLEAR, ("contrastive", 1, 2), ("triplet", 6, 16), beyond=16),
            "the direction turns: with up to 2 settings contrastive is better, from 6 of 16 settings on triplet is "
            "better (MAP@R +1.20 to +3.40 pt at 16), with all 16 by more than 1 pt",
        ),
        (
            said(EQUIVALENT, NEAR, within=4),
            "from 4 of 16 settings on the losses are equivalent to within 1 pt (triplet minus contrastive MAP@R -0.40 "
            "to +0.60 pt at 16)",
        ),
        (
            said(EQUIVALENT, (0.001, 0.008), ("contrastive", 1, 1), ("triplet", 9, 16), within=2),
            "from 2 of 16 settings on the losses are equivalent to within 1 pt (MAP@R +0.10 to +0.80 pt at 16), "
            "triplet ahead by that little from 9 on; with a single setting contrastive is better",
        ),
        (
            said(UNDECIDED, OPEN),
            "no number of settings up to 16 shows a better loss (triplet minus contrastive MAP@R -0.40 to +1.20 pt at "
            "16)",
        ),
        (
            said(UNDECIDED, OPEN, ("triplet", 2, 4), ("contrastive", 7, 7)),
            "with 2 to 4 settings triplet is better and with 7 settings contrastive is better, with all 16 neither is "
            "shown to be better (triplet minus contrastive MAP@R -0.40 to +1.20 pt at 16)",
        ),
    ],
    ids=["later", "any", "small", "turns", "equivalent", "ahead", "none", "fewer"],
)
def test_sentence_6_a_sentence_says_from_how_many_settings_on_which_loss_is_better(line: str, expected: str) -> None:
    assert line == expected


@pytest.mark.parametrize(
    ("line", "half", "end"),
    [
        (
            said(UNDECIDED, CLEAR, ("triplet", 3, 16), beyond=3),
            "triplet seems better by",
            "; the tuned verdict, which counts, is undecided",
        ),
        (
            said(INSUFFICIENT, SMALL, ("triplet", 3, 16)),
            "triplet seems better (",
            "better; the tuned verdict is insufficient",
        ),
        (
            said(EQUIVALENT, SMALL, ("triplet", 3, 16)),
            "triplet seems better (",
            "; the tuned verdict, which counts, is equivalent",
        ),
        (
            said(named("triplet", "small"), CLEAR, ("triplet", 3, 16), beyond=8),
            "triplet is better (",
            ", from 8 on by more than 1 pt; the tuned verdict, which counts, is triplet, small",
        ),
        (
            said(named("triplet"), SMALL, ("triplet", 3, 16)),
            "triplet is better (",
            "pt at 16); the tuned verdict, on 16 alone, shows more than 1 pt",
        ),
        (
            said(named("triplet"), OPEN),
            "no number of settings",
            "; the tuned verdict, which counts, is triplet",
        ),
        (
            said(named("triplet", "small"), NEAR, within=2),
            "the losses seem equivalent",
            "; the tuned verdict, which counts, is triplet, small",
        ),
        (
            said(INSUFFICIENT, (np.nan, np.nan)),
            "no number of settings up to 16 shows a better loss (a single seed has no band)",
            "; the tuned verdict is insufficient",
        ),
    ],
    ids=["undecided", "insufficient", "equivalent", "small", "clear", "named", "seeming", "one-seed"],
)
def test_sentence_6_where_the_tuned_verdict_says_otherwise_it_stands_and_the_band_only_seems(
    line: str, half: str, end: str
) -> None:
    assert half in line
    assert line.endswith(end)


def better(effect: float, seeds: int = 9) -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(1), seeds=seeds, effect=effect)


def panels_of(findings: Findings) -> list[Panel]:
    """Both panels of the tuning effort."""
    (comparison,) = findings.comparisons
    drawings = [drawn for drawn in (tuning_effort(comparison), tuning_difference(comparison)) if drawn]
    assert len(drawings) == 2
    return [Panel(TUNING_EFFORT, "digits", "t", "", one.data, one.alt, one.n, 3.5) for one in drawings]


def test_sentence_6_the_sentence_stands_with_the_figure_and_in_the_terminal() -> None:
    findings = found("s", better(0.06))
    (line,) = effort_lines(findings)
    assert line.startswith("digits: with any number of settings up to 4 triplet is better by more than 1 pt (MAP@R +")
    page = markdown(report(findings, panels_of(findings)))
    section = page[page.index("## Tuning effort") :]
    assert section.index(LEAD.split(",")[0]) < section.index("triplet is better by more than 1 pt")
    assert page.count(LEAD.split(",")[0]) == 1
    assert f"{LEAD}\n{line}" in terminal(summary(findings))


def test_sentence_6_the_drawn_numbers_have_the_intervals_and_the_bands() -> None:
    for panel in panels_of(found("s", better(0.0))):
        rows = panel.data
        assert ((rows["band_low"] < rows["low"]) & (rows["high"] < rows["band_high"])).all()
        assert rows["settings"].max() == 4


@pytest.mark.parametrize("runs", [better(0.06).query("miner == 'all' and margin == 1"), None], ids=["one", "halved"])
def test_nothing_is_said_of_a_single_setting_and_of_a_search_that_halved(runs: pd.DataFrame | None) -> None:
    findings = found("s", searched_runs(np.random.default_rng(1), rungs=RUNGS) if runs is None else runs)
    assert effort_lines(findings) == []
    assert LEAD not in terminal(summary(findings))


def test_one_seed_has_a_curve_without_a_band() -> None:
    findings = found("s", better(0.06, seeds=1))
    (line,) = effort_lines(findings)
    assert "(a single seed has no band); the tuned verdict is insufficient" in line
    assert all(panel.data["band_low"].isna().all() for panel in panels_of(findings))
