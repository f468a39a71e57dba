"""Claims about the losses as data, and what a study says of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import (
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

from analysis.comparison import rows_of
from analysis.metrics import METRICS
from analysis.overall import overall
from analysis.tuning import TUNING_SEEDS
from analysis.verdict_table import GRID_AVERAGE, PERFORMANCE, TUNED, verdicts

PAPER = Path(__file__).parent / "claims.yaml"
_SCALES = {metric.name: metric.scale for metric in METRICS}
_FAMILIES = {metric.name: metric.family for metric in METRICS}
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Reported(BaseModel):
    """What a source states: the value of each loss, or their ratio, on one dataset or on none in particular."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Text | None = None
    triplet: FiniteFloat | None = None
    contrastive: FiniteFloat | None = None
    ratio: Annotated[FiniteFloat, Field(gt=0)] | None = None

    def difference(self, scale: str) -> float:
        """Triplet minus contrastive on a scale: a ratio for ``"log"``; NaN where the source does not tell."""
        if scale == "log" and self.ratio is not None:
            return self.ratio
        if self.triplet is None or self.contrastive is None:
            return math.nan
        return self.triplet / self.contrastive if scale == "log" else self.triplet - self.contrastive


class Claim(BaseModel):
    """One claim.

    Attributes:
        name: A short name.
        statement: The claim in a sentence.
        metric: Name of the metric that decides it.
        direction: The loss that it says has the higher value.
        estimand: ``"tuned"`` or ``"grid average"``.
        datasets: Those that its source tried it on; the claim is tested on every dataset of a study.
        reported: The source's figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    statement: Text
    metric: str
    direction: Literal["triplet", "contrastive"]
    estimand: Literal["tuned", "grid average"] = GRID_AVERAGE  # type: ignore[assignment]
    datasets: tuple[Text, ...] = ()
    reported: tuple[Reported, ...] = ()

    @field_validator("metric")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _SCALES:
            raise ValueError(f"unknown metric {value!r}: choose from {', '.join(_SCALES)}")
        return value

    @model_validator(mode="after")
    def _coherent(self) -> Claim:
        """A tuned claim is about a metric that tuning is for; figures fit the metric's scale, and stand once each."""
        who = f"claim {self.name!r}"
        if self.estimand == TUNED and _FAMILIES[self.metric] not in PERFORMANCE:
            raise ValueError(f"{who}: {self.metric} says what a loss does, not how well: use {GRID_AVERAGE!r}")
        named = [figure.dataset for figure in self.reported]
        twice = [dataset or "none in particular" for dataset in named if named.count(dataset) > 1]
        if twice:
            raise ValueError(f"{who} reports figures on {twice[0]} more than once")
        for figure in self.reported:
            if _SCALES[self.metric] != "log":
                if figure.ratio is not None:
                    raise ValueError(f"{who} reports a ratio, but {self.metric} is compared by differences")
            elif min(value for value in (figure.triplet, figure.contrastive, 1.0) if value is not None) <= 0:
                raise ValueError(f"{who} reports a value that is not positive, but {self.metric} is compared by ratios")
        return self

    def reported_on(self, dataset: str) -> Reported | None:
        """The source's figures for a dataset, else those for none in particular."""
        by_dataset = {figure.dataset: figure for figure in self.reported}
        return by_dataset.get(dataset.partition(" (")[0], by_dataset.get(None))


class ClaimsError(ValueError):
    """A file of claims that is not as it should be, in one line."""


def read_claims(path: str | Path = PAPER) -> tuple[Claim, ...]:
    """Claims from a YAML file: a list with the fields of `Claim`; those of arXiv 2510.02161 if none is given.

    Raises:
        ClaimsError: If the file cannot be read, a field is wrong, or two claims have one name.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, list):
            raise ClaimsError(f"{path}: should be a list of claims")
        stated = TypeAdapter(Annotated[tuple[Claim, ...], Field(min_length=1)]).validate_python(content)
    except ClaimsError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ClaimsError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise ClaimsError(f"{path} is no file of claims: {' '.join(str(error).split())}") from None
    names = [claim.name for claim in stated]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ClaimsError(f"{path}: more than one claim is called {twice[0]!r}")
    return stated


def claims(runs: pd.DataFrame, stated: Sequence[Claim] | None = None, tuning_seeds: int = TUNING_SEEDS) -> pd.DataFrame:
    """What a study says of claims, on each of its datasets and overall.

    Args:
        runs: A study, as `load_study` gives it.
        stated: The claims; the paper's if not given.
        tuning_seeds: As for `verdicts`.

    Returns:
        One row a claim and dataset, and one with dataset ``overall`` for each claim. ``verdict`` is ``supported``,
        ``contradicted``, ``equivalent``, ``undecided`` or ``insufficient``; ``n``, ``difference`` with ``ci_low`` and
        ``ci_high`` and ``p_corrected`` are the study's (ratios for metrics compared by logarithm), ``reported`` is the
        source's difference, and ``in_source`` whether the source tried that dataset.

    Examples:
        >>> from analysis import load_study
        >>> mine = Claim(name="mine", statement="Triplet retrieves better", metric="map_at_r", direction="triplet")
        >>> claims(load_study("demo"), [mine])[["dataset", "verdict"]].to_records(index=False).tolist()
        [('digits', 'supported'), ('overall', 'supported')]
    """
    return judge_claims(verdicts(runs, tuning_seeds), stated)


def judge_claims(table: pd.DataFrame, stated: Sequence[Claim] | None = None) -> pd.DataFrame:
    """`claims` of a verdict table that is there already."""
    lines = []
    for claim in read_claims() if stated is None else stated:
        rows = table[(table["metric"] == claim.metric) & (table["estimand"] == claim.estimand)]
        described = {"claim": claim.name, "statement": claim.statement, "metric": claim.metric}
        described.update(estimand=claim.estimand, direction=claim.direction, scale=_SCALES[claim.metric])
        for row in rows_of(rows):
            reported = claim.reported_on(row["dataset"])
            line = {**described, "dataset": row["dataset"], "verdict": _of_claim(row["verdict"], claim.direction)}
            line.update({name: row[name] for name in _FROM_TABLE})
            line["reported"] = reported.difference(_SCALES[claim.metric]) if reported else math.nan
            line["in_source"] = row["dataset"].partition(" (")[0] in claim.datasets
            lines.append(line)
        whole = overall(rows) if len(rows) else {"verdict": "insufficient", "reason": "not measured"}
        side = whole["verdict"]
        verdict = "undecided" if side == "mixed" else _of_claim(side, claim.direction)
        lines.append(
            {**described, "dataset": "overall", "verdict": verdict, "reason": whole["reason"], "in_source": False}
        )
    columns = ["claim", "statement", "dataset", "verdict", "reason", "n", "difference", "ci_low", "ci_high"]
    columns += ["p_corrected", "reported", "in_source", "triplet", "contrastive", "metric", "estimand", "direction"]
    return pd.DataFrame(lines, columns=[*columns, "scale"])


_FROM_TABLE = ("reason", "n", "difference", "ci_low", "ci_high", "p_corrected", "triplet", "contrastive")


def _of_claim(verdict: str, direction: str) -> str:
    """What a verdict says of a claim; a small difference in its direction supports it."""
    side = verdict.split(",")[0]
    if side in ("triplet", "contrastive"):
        return "supported" if side == direction else "contradicted"
    return verdict
