"""Claims about the arms as data: what a file of them may hold."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from analysis.comparison.arms import ArmPair, arm_pairs
from analysis.metrics import AT_DEFAULT, BY_NAME, PERFORMANCE, TUNED, Estimand, Scale
from analysis.plain_text import message_text, name_text
from analysis.yaml_file import YamlError, read_yaml

PAPER = Path(__file__).parent / "claims.yaml"
PAPER_ADDRESS = "https://arxiv.org/abs/2510.02161"
_LONGEST_STATEMENT = 400  # characters
_MOST_CLAIMS = 1000


def _name(text: str) -> str:
    return name_text(
        text
    )  # early versions of pydantic give every second parameter, optional or not, something of theirs


def _message(text: str) -> str:
    return message_text(text)


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_name)]
Sentence = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=_LONGEST_STATEMENT),
    AfterValidator(_message),
]


class Reported(BaseModel):
    """What a source states: the value of each arm, by the arm's name, or their ratio.

    Attributes:
        dataset: Where; None for no dataset in particular.
        ratio: The value of the later arm in the alphabet over that of the earlier one.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, FiniteFloat | None]

    dataset: Text | None = None
    ratio: Annotated[FiniteFloat, Field(gt=0)] | None = None

    @property
    def values(self) -> dict[str, float]:
        """The value of each arm."""
        return {arm: value for arm, value in self.__pydantic_extra__.items() if value is not None}

    def difference(self, arms: ArmPair, scale: Scale) -> float:
        """First minus second on a scale: a ratio for ``"log"``; NaN where the source does not tell."""
        if scale == "log" and self.ratio is not None:
            return self.ratio
        if not set(arms) <= set(self.values):
            return math.nan
        first, second = (self.values[arm] for arm in arms)
        return first / second if scale == "log" else first - second


class Claim(BaseModel):
    """One claim.

    Attributes:
        name: A short name.
        statement: The claim in a sentence.
        metric: Name of the metric that decides it.
        direction: The arm that it says has the higher value.
        against: The arm that it is compared with; needed only where a study has more than two.
        estimand: Where it is decided: ``"default setting"``, ``"tuned"`` or ``"grid average"``. If not given,
            ``"tuned"`` for a claim on performance, ``"default setting"`` for one on what the arms do.
        datasets: Those that its source tried it on; the claim is tested on every dataset of a study.
        reported: The source's figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    statement: Sentence
    metric: str
    direction: Text
    against: Text | None = None
    estimand: Estimand | None = None
    datasets: tuple[Text, ...] = ()
    reported: Annotated[tuple[Reported, ...], Field(max_length=_MOST_CLAIMS)] = ()

    @property
    def decided_at(self) -> Estimand:
        """The place that decides it."""
        return self.estimand or (TUNED if BY_NAME[self.metric].family in PERFORMANCE else AT_DEFAULT)

    @property
    def scale(self) -> Scale:
        """Of its metric."""
        return BY_NAME[self.metric].scale

    @property
    def reported_arms(self) -> ArmPair:
        """The arms whose values the source reports, else the claim's own."""
        named = {arm for figure in self.reported for arm in figure.values} | {self.direction, self.against} - {None}
        pairs = arm_pairs(arm for arm in named if arm is not None)
        return pairs[0] if pairs else ArmPair(self.direction, self.direction)

    @field_validator("metric")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in BY_NAME:
            raise ValueError(f"unknown metric {value!r}: choose from {', '.join(BY_NAME)}")
        return value

    @model_validator(mode="after")
    def _coherent(self) -> Claim:
        """Checks that the figures fit the metric, and that no dataset has two figures."""
        who = f"claim {self.name!r}"
        if self.against == self.direction:
            raise ValueError(f"{who}: direction and against are both {self.direction!r}")
        named = [figure.dataset for figure in self.reported]
        twice = [dataset or "none in particular" for dataset in named if named.count(dataset) > 1]
        if twice:
            raise ValueError(f"{who} reports figures on {twice[0]} more than once")
        self._check_arms(who)
        for figure in self.reported:
            if self.scale != "log":
                if figure.ratio is not None:
                    raise ValueError(f"{who} reports a ratio, but {self.metric} is compared by differences")
            elif min([*figure.values.values(), 1.0]) <= 0:
                raise ValueError(f"{who} reports a value that is not positive, but {self.metric} is compared by ratios")
        return self

    def _check_arms(self, who: str) -> None:
        """Refuses figures of a third arm: most likely a typing error."""
        others = list(dict.fromkeys(arm for figure in self.reported for arm in figure.values if arm != self.direction))
        expected = [self.against] if self.against else others[:1]
        odd = next((arm for arm in others if arm not in expected), None)
        if odd:
            raise ValueError(f"{who} reports a value of {odd!r}, and compares {self.direction!r} with {expected[0]!r}")

    def reported_on(self, dataset: str) -> Reported | None:
        """The source's figures for a dataset, as runs name it, else those for none in particular."""
        by_dataset = {figure.dataset: figure for figure in self.reported}
        return by_dataset.get(dataset, by_dataset.get(None))


_Claims = Annotated[tuple[Claim, ...], Field(min_length=1, max_length=_MOST_CLAIMS)]


class ClaimsError(ValueError):
    """What is wrong with some claims, in one line."""


def check_claims(stated: Sequence[Claim], arms: Collection[str]) -> None:
    """Refuses claims about what a study has no runs of: most likely a typing error.

    Args:
        stated: The claims.
        arms: All arms of the study.

    Raises:
        ClaimsError: Naming the first claim, and what it names.
    """
    for claim in stated:
        named = [claim.direction, *([claim.against] if claim.against else [])]
        named += [arm for figure in claim.reported for arm in figure.values]
        odd = next((arm for arm in named if arm not in arms), None)
        if odd is not None:
            nearest = difflib.get_close_matches(odd, list(arms), n=1)
            hint = f": did you mean {nearest[0]!r}?" if nearest else f": it has {', '.join(sorted(arms))}"
            raise ClaimsError(f"claim {claim.name!r} names {odd!r}, which the study has no runs of{hint}")


def read_claims(path: str | Path = PAPER) -> tuple[Claim, ...]:
    """Claims from a YAML file: a list with the fields of `Claim`; those of arXiv 2510.02161 if none is given.

    Raises:
        ClaimsError: If the file cannot be read, a field is wrong, or two claims have one name.
    """
    file = name_text(path, _LONGEST_STATEMENT)
    try:
        content = read_yaml(path)
        if not isinstance(content, list):
            raise ClaimsError(f"{file}: should be a list of claims")
        stated = TypeAdapter(
            Annotated[tuple[Claim, ...], Field(min_length=1, max_length=_MOST_CLAIMS)]
        ).validate_python(content)
    except ClaimsError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(name_text(part) for part in first["loc"])
        raise ClaimsError(f"{file}: {where}: {message_text(first['msg'].removeprefix('Value error, '))}") from None
    except YamlError as error:
        raise ClaimsError(f"{file} is no file of claims: it {error}") from None
    except OSError as error:
        raise ClaimsError(f"{file} is no file of claims: {error.strerror or message_text(error)}") from None
    names = [claim.name for claim in stated]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ClaimsError(f"{file}: more than one claim is called {twice[0]!r}")
    return stated
