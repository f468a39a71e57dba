"""How a report shows each arm: its colour, its line, and what its margin is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from analysis.comparison.comparisons import Comparison
from analysis.yaml_file import read_yaml

_FILE = Path(__file__).parent / "arms.yaml"
# For arms that the file does not know, in the order in which they come.
_FURTHER = (("#009E73", "-."), ("#CC79A7", ":"), ("#E69F00", "-"), ("#56B4E9", "--"))


class ArmStyle(BaseModel):
    """How an arm is shown.

    Attributes:
        colour: Of its lines, dots and name, as ``#RRGGBB``.
        line: Matplotlib's name of its line.
        margin_on: What its margin is compared with; empty if that is not known.
        distances: Which distances its loss uses, in words; empty likewise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    colour: str
    line: str = "-"
    margin_on: str = ""
    distances: str = ""


def pair_styles(comparison: Comparison) -> dict[str, ArmStyle]:
    """The styles of both arms, as in all figures of the study, the first arm first."""
    styles = arm_styles(comparison.study_arms)
    return {arm: styles[arm] for arm in comparison.arms}


def arm_styles(arms: Iterable[str]) -> dict[str, ArmStyle]:
    """The style of each arm, in the order given."""
    styles: dict[str, ArmStyle] = {}
    for arm in arms:
        further = sum(name not in _known() for name in styles)
        colour, line = _FURTHER[further % len(_FURTHER)]
        styles[arm] = _known().get(arm) or ArmStyle(colour=colour, line=line)
    return styles


@cache
def _known() -> dict[str, ArmStyle]:
    return TypeAdapter(dict[str, ArmStyle]).validate_python(read_yaml(_FILE))
