"""From how many settings on which loss is better, in a sentence for each dataset, beside the tuned verdict."""

from __future__ import annotations

import math

from analysis.conclusions.effort import Effort, Lead
from analysis.report.findings import Findings

LEAD = (
    "From how many settings on which loss is better, by the 95% band that holds for all numbers of settings at once "
    "(exploratory, not corrected over the datasets):"
)


def effort_lines(findings: Findings) -> list[str]:
    """One line for each comparison with a curve of the tuning effort."""
    return [f"{effort.label}: {_said(effort)}{_beside(effort)}" for effort in findings.efforts]


def _said(effort: Effort) -> str:
    """What the band says. What the tuned verdict does not say as well only seems to be so."""
    leader, verdict, point = effort.leader, effort.verdict, _point(effort)
    others = " and ".join(f"{_with(lead)} {lead.arm} is better" for lead in effort.other_leads)
    if effort.outcome.outcome == "equivalent":
        are = "are" if verdict.outcome == "equivalent" else "seem"
        text = f"{_on(effort, effort.within_from)} the losses {are} equivalent to within {point} ({_at_all(effort)})"
        ahead = f", {leader.arm} ahead by that little {_from(effort, leader.least)}" if leader else ""
        return f"{text}{ahead}{f'; {others}' if others else ''}"
    if leader is None:
        if not others:
            return f"no number of settings up to {effort.budget} shows a better loss ({_at_all(effort)})"
        return f"{others}, with all {effort.budget} neither is shown to be better ({_at_all(effort)})"
    better = "is better" if verdict.side == leader.arm else "seems better"
    by = f" by more than {point}" if effort.beyond_from == leader.least else ""
    text = f"{_on(effort, leader.least)} {leader.arm} {better}{by} ({_at_all(effort)})"
    if effort.beyond_from is not None and not by:
        text += f", {_from(effort, effort.beyond_from)} by more than {point}"
    elif effort.beyond_from is None and verdict.strength != "clear":
        text += f", but not shown to be more than {point} better"
    return f"the direction turns: {others}, {text}" if others else text


def _beside(effort: Effort) -> str:
    """What the tuned verdict says, where that is something else."""
    outcome, verdict = effort.outcome, effort.verdict
    if str(outcome) == str(verdict):
        return ""
    if outcome.side is not None and outcome.side == verdict.side and verdict.strength == "clear":
        return f"; the tuned verdict, on {effort.budget} alone, shows more than {_point(effort)}"
    which = "" if verdict.outcome == "insufficient" else ", which counts,"
    return f"; the tuned verdict{which} is {verdict}"


def _from(effort: Effort, least: int) -> str:
    return f"with all {least}" if least == effort.budget else f"from {least} on"


def _on(effort: Effort, least: int | None) -> str:
    if least == 1:
        return f"with any number of settings up to {effort.budget}"
    if least == effort.budget:
        return f"with all {effort.budget} settings"
    return f"from {least} of {effort.budget} settings on"


def _with(lead: Lead) -> str:
    if lead.most == 1:
        return "with a single setting"
    if lead.least == lead.most:
        return f"with {lead.most} settings"
    return f"with up to {lead.most} settings" if lead.least == 1 else f"with {lead.least} to {lead.most} settings"


def _at_all(effort: Effort) -> str:
    """The band of the difference at all settings: what the arm that it names gains, else the first minus the second."""
    low, high = effort.band
    if not math.isfinite(low):
        return "a single seed has no band"
    leader = effort.leader
    if leader is not None and leader.arm != effort.arms.first:
        low, high = -high, -low
    whose = "" if leader else f"{effort.arms.first} minus {effort.arms.second} "
    return f"{whose}MAP@R {100 * low:+.2f} to {100 * high:+.2f} pt at {effort.budget}"


def _point(effort: Effort) -> str:
    return f"{100 * effort.rope:g} pt"
