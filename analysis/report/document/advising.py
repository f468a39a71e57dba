"""What to do, in words: the loss and its setting for each dataset, what they gain, and how sure that is."""

from __future__ import annotations

from analysis.comparison.levels import range_words
from analysis.comparison.pairing import DEFAULT_SETTING, Condition
from analysis.comparison.result import Verdict
from analysis.comparison.tuning import ChosenRange
from analysis.conclusions.advice import Advice, Gain
from analysis.metrics import SCORE
from analysis.report.document.captions import origin
from analysis.report.document.text_table import Cell, TextTable
from analysis.report.document.wording import Headline
from analysis.report.findings import Findings
from analysis.report.formatting import bounds_text, deciding_p_text, difference_text, p_text

_HEADINGS = ("dataset", "gain in MAP@R over", "n", "difference", "95% interval", "p", "how sure")


def headlines(findings: Findings) -> list[Headline]:
    """One a comparison: what to use."""
    lines = [_headline(advice) for advice in findings.advice]
    return lines or [Headline("No dataset has runs of both losses: there is nothing to compare.")]


def _headline(advice: Advice) -> Headline:
    verdict = advice.result.judged
    if advice.loss is None or advice.setting is None:
        return Headline(f"{advice.label}: no verdict, {verdict.reason}")
    use, chosen = _setting_text(advice.setting, advice)
    if verdict.outcome == "named":
        little = "a little " if verdict.strength == "small" else ""
        return Headline(f"{advice.label}: use {advice.loss} with {use}", f"retrieves {little}better; {chosen}")
    if verdict.outcome == "insufficient":
        return Headline(f"{advice.label}: no answer yet, {verdict.reason}", f"so far {advice.loss} has the higher mean")
    alike = "they retrieve equally well" if verdict.outcome == "equivalent" else "neither is shown to be better"
    return Headline(
        f"{advice.label}: either loss, {alike}",
        f"the higher mean, not shown to be better, has {advice.loss} with {use}, {chosen}",
    )


def _setting_text(setting: Condition | ChosenRange, advice: Advice) -> tuple[str, str]:
    """What to use, and how many seeds chose it; of settings that each seed drew, from where to where."""
    if isinstance(setting, Condition):
        margin, lr = f"{setting.margin:g}", f"{setting.lr:g}"
        chosen = f"chosen by {advice.chosen_by} of {advice.seeds} seeds"
    else:
        margin, lr = range_words(setting.margin), range_words(setting.lr)
        chosen = f"each seed chose its own, {setting.miner_seeds} of {setting.seeds} this miner"
    return ", ".join((f"miner {setting.miner}", f"margin {margin}", f"learning rate {lr}", *setting.others)), chosen


def gain_rows(findings: Findings) -> TextTable:
    """What the advised arm gains over the other one, over the default setting, and over the untrained network."""
    rows: list[tuple[Cell, ...]] = []
    for advice in findings.advice:
        if advice.loss is None:
            continue
        tuned, rope = advice.result, advice.result.rope
        of_test = deciding_p_text(tuned.p_deciding, tuned.judged.test)
        p_value = of_test if tuned.judged.test else p_text(tuned.p_corrected)
        doubt = "; skewed differences" if tuned.judged.test and tuned.asymmetric else ""
        rows += [
            _row(advice.label, advice.other, advice.over_other, p_value, _verdict_text(tuned.judged, rope) + doubt),
            _exploratory(advice, "default setting", advice.over_default),
            _exploratory(advice, "untrained network", advice.over_untrained),
        ]
    return TextTable(_HEADINGS, frozenset((*_HEADINGS[:2], _HEADINGS[-1])), rows)


def _exploratory(advice: Advice, over: str, gain: Gain) -> tuple[Cell, ...]:
    return _row(
        advice.label,
        over,
        gain,
        p_text(gain.p_value),
        gain.absent or f"exploratory: {how_sure(gain, advice.result.rope)}",
    )


def _row(label: str, over: str, gain: Gain, p_value: str, sure: str) -> tuple[Cell, ...]:
    interval = bounds_text(gain.ci_low, gain.ci_high, SCORE.scale)
    return label, over, str(gain.n), difference_text(gain.difference, SCORE.scale), interval, p_value, sure


def _verdict_text(verdict: Verdict, rope: float) -> str:
    if verdict.outcome == "named":
        return f"shown: more than {100 * rope:g} pt" if verdict.strength == "clear" else "shown: more than zero"
    if verdict.outcome == "equivalent":
        return f"shown: within {100 * rope:g} pt"
    return "not shown" if verdict.outcome == "undecided" else "no verdict"


def how_sure(gain: Gain, rope: float) -> str:
    """What the interval of a gain excludes, in words."""
    point = f"{100 * rope:g} pt"
    if gain.ci_low == gain.ci_high == 0:
        return "no difference at all"
    if gain.ci_low > 0:
        return f"more than {point}" if gain.ci_low > rope else "more than zero"
    if gain.ci_high < 0:
        return f"worse by more than {point}" if gain.ci_high < -rope else "worse"
    return f"within {point}" if -rope < gain.ci_low and gain.ci_high < rope else "may be zero"


def gains_text(findings: Findings) -> str:
    """What the gains are, and which of them are exploratory."""
    if not any(advice.loss for advice in findings.advice):
        return ""
    named = "the setting named is the most frequent choice"
    if any(isinstance(advice.setting, ChosenRange) for advice in findings.advice):
        named = "what is named goes from the least to the largest choice of a seed, with the most frequent miner"
    return (
        f"Every seed chose on its own validation data, so these are gains of tuning in that way; {named}. Means over "
        "seeds on test data. Over the other loss: the verdict, with its p by Holm's method. Over the default setting "
        f"({DEFAULT_SETTING}) and over the untrained network, both with the same loss: exploratory, the p of the "
        f"sign-flip test against zero, not corrected. {origin(findings)}"
    )
