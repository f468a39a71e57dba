"""What a study compares: two arms on one dataset, their runs, and what tuning chose among them. Made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from analysis.comparison.arms import ArmPair, arm_pairs
from analysis.comparison.budget import BudgetCurve, budget_curve
from analysis.comparison.edges import Edge, find_edges
from analysis.comparison.pairing import (
    OPEN,
    Seed,
    SeedTable,
    balanced_grid,
    by_dataset,
    has_repeats,
    is_default,
    seeds_of,
    usual_value,
)
from analysis.comparison.settings import beside_budget, exchangeable, in_equal_rounds, is_drawn, whole_runs
from analysis.comparison.tuning import Tuned, tune
from analysis.metrics import GRID_AVERAGE, METRICS, TUNED, Estimand, Metric, score_of
from analysis.parameters import ARM, CONDITION


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two arms on one dataset.

    Attributes:
        dataset: Its name, as `by_dataset` gives it.
        arms: What is compared.
        runs: The runs of both arms that were trained to their last epoch. Verdicts and figures read these alone.
        tried: All runs of both arms that are read: those that halving stopped as well.
        seeds: The seeds that there should be, whether or not `runs` has them all.
        tuned: What tuning chose among `runs`.
        study_arms: All arms of the study, in alphabetical order.
        edges: Where the range of a hyperparameter may be too narrow.
        metrics: What the arms are compared on, each with its region of practical equivalence.
        aside: The runs of rounds that not all seeds have completed (`in_equal_rounds`), which enter nothing here.
    """

    dataset: str
    arms: ArmPair
    runs: pd.DataFrame
    tried: pd.DataFrame
    seeds: tuple[Seed, ...]
    tuned: Tuned
    study_arms: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    metrics: tuple[Metric, ...] = METRICS
    aside: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def label(self) -> str:
        """The dataset; with the arms, if the study has more than two."""
        return (
            self.dataset if len(self.study_arms) == 2 else f"{self.dataset}: {self.arms.first} and {self.arms.second}"
        )

    @property
    def recorded_dataset(self) -> str:
        """The dataset as its runs name it: ``digits``, where `dataset` is ``digits (batch_size=128)``."""
        return str(self.runs["dataset"].iloc[0])

    @property
    def readable(self) -> bool:
        """Whether no condition stands twice under one seed and arm."""
        return not has_repeats(self.runs)

    @cached_property
    def budget_curve(self) -> BudgetCurve | None:
        """The tuned difference by the number of settings; None where nothing was tuned, or not any order would do."""
        if self.tuned.refused or self.tuned.budget is None or not exchangeable(self.tried):
            return None
        return budget_curve(self.runs, self.arms, self.tuned.budget, score_of(self.metrics).rope)

    def grid(self) -> pd.DataFrame:
        """The runs that are averaged for both arms, as `balanced_grid` gives them; none of settings drawn by a seed."""
        return balanced_grid(self.of_grid(), self.arms)

    def of_grid(self) -> pd.DataFrame:
        """The runs of settings that all seeds share."""
        return self.runs[~is_drawn(self.runs)]

    def shown(self) -> pd.DataFrame:
        """The runs whose course is shown: those of the grid; where seeds drew all settings, those that they chose."""
        grid = self.grid()
        return self.tuned.runs if grid.empty and self.tuned.drawn else grid

    def at_default(self) -> pd.DataFrame:
        """The runs with `DEFAULT_SETTING`.

        Of what it leaves open, the usual batch size and the like, else the largest, and the largest number of epochs;
        if possible those that both arms have.
        """
        runs: pd.DataFrame = self.runs[is_default(self.runs)]
        for name in OPEN:
            if runs.empty:
                break
            first, second = (set(runs.loc[runs[ARM] == arm, name]) for arm in self.arms)
            runs = runs[runs[name] == usual_value(name, first & second or first | second)]
        return runs

    def runs_of(self, estimand: Estimand) -> pd.DataFrame:
        """The runs that an estimand is about; none where nothing could be tuned or averaged."""
        if estimand == TUNED:
            return self.tuned.runs
        return self.grid() if estimand == GRID_AVERAGE else self.at_default()

    def seed_table(self, runs: pd.DataFrame, estimand: Estimand) -> SeedTable:
        """The runs that an estimand is about, not empty, laid out by seed."""
        return SeedTable(runs, self.arms, self.seeds, by=() if estimand == TUNED else CONDITION)

    def rises(self, arm: str) -> str | None:
        """Where the range searched ends although an arm still rises there, and what to try; None if nowhere."""
        return "; ".join(str(edge) for edge in self.edges if edge.arm == arm and edge.rises) or None

    def among(self, runs: pd.DataFrame) -> Comparison:
        """The same comparison of some of the runs, tuned again. Seeds that these runs lack count as missing.

        It has no edges: a part of the grid ends early on purpose.
        """
        return replace(self, runs=runs, tried=runs, tuned=tune(runs, self.arms, part=True), edges=())

    def has_both(self, runs: pd.DataFrame) -> bool:
        """Whether some of the runs are of both arms."""
        return set(self.arms) <= set(runs[ARM])


def comparisons(runs: pd.DataFrame, metrics: tuple[Metric, ...] = METRICS) -> list[Comparison]:
    """Every comparison of a study, as `comparisons_of` gives them.

    Args:
        runs: A study, as `load_study` gives it.
        metrics: As `metrics_with` gives them.
    """
    return comparisons_of(by_dataset(runs), metrics)


def comparisons_of(datasets: Mapping[str, pd.DataFrame], metrics: tuple[Metric, ...] = METRICS) -> list[Comparison]:
    """Each dataset with each pair of arms, as far as it has runs of both that were trained to their last epoch.

    Args:
        datasets: The runs of each, as `by_dataset` gives them.
        metrics: As `metrics_with` gives them.
    """
    study_arms = tuple(sorted({arm for rows in datasets.values() for arm in rows[ARM].unique()}))
    pairs = arm_pairs(study_arms)
    compared = []
    for dataset, rows in datasets.items():
        for arms in pairs:
            recorded = rows[rows[ARM].isin(arms)]
            read = in_equal_rounds(recorded, arms)
            tried, aside = recorded[read], recorded[~read]
            whole = whole_runs(tried)
            if set(arms) <= set(whole[ARM]):
                tuned = _tuned(tried, arms, bool(len(aside)))
                edges = () if tuned.budget is None else tuple(find_edges(tried, arms, tuned.budget))
                seeds = tuple(seeds_of(recorded))
                compared.append(
                    Comparison(dataset, arms, whole, tried, seeds, tuned, study_arms, edges, metrics, aside)
                )
    return compared


def _tuned(tried: pd.DataFrame, arms: ArmPair, some_are_aside: bool) -> Tuned:
    """What tuning chose. The default setting that a search trains beside its budget is no choice by itself."""
    if some_are_aside and bool((beside_budget(tried) & is_drawn(tried)).all()):
        return Tuned(tried.iloc[:0], None, "no seed has completed a round of settings of both losses", drawn=True)
    return tune(tried, arms)
