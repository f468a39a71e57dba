"""What verdicts say of fabricated studies whose truth is known, and how often it is wrong.

`make test` fabricates few studies, whose rates may be as far from the nominal ones as one in a thousand such samples
is; `make simulations` fabricates 1,000 of each kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.comparison.comparisons import comparisons
from analysis.comparison.result import Result
from analysis.comparison.tuning import best_weights
from analysis.conclusions.effort import efforts
from analysis.conclusions.overall import overall_results
from analysis.conclusions.verdict_table import verdict_results
from analysis.metrics import GRID_AVERAGE, METRICS, TUNED, Metric
from analysis.statistics.intervals import simultaneous_t_quantile
from tests.analysis.fabricated import (
    ARMS,
    LOUD,
    NEARLY_TIED,
    REAL,
    TIED,
    UNEQUAL,
    Floats,
    Noise,
    fabricated_runs,
    true_difference,
)
from tests.analysis.searched import RUNGS, searched_runs

MANY = 1000
SCORE = METRICS[0].column


@dataclass
class Tally:
    """What was said of some studies alike.

    Attributes:
        studies: How many.
        families: Estimands and families that they have verdicts in.
        naming: Those that name an arm, by estimand and family.
        mixed: Those with an overall verdict that is mixed, by estimand and family.
        differences: Tuned differences in MAP@R, one a dataset.
        covering: Those of their intervals that hold the truth.
        verdicts: On them, an arm counting as such however large its difference.
        clear: Those that name an arm, with a difference beyond practical equivalence.
        rising: Datasets on which an arm is said still to rise at the end of a range.
    """

    studies: int = 0
    families: set = field(default_factory=set)
    naming: Counter = field(default_factory=Counter)
    mixed: Counter = field(default_factory=Counter)
    differences: list[float] = field(default_factory=list)
    covering: int = 0
    verdicts: Counter = field(default_factory=Counter)
    clear: int = 0
    rising: int = 0

    def add(self, runs: pd.DataFrame, truth: float) -> None:
        """Judges a study, as `verdicts` and `overall_verdicts` do."""
        compared = comparisons(runs)
        results = verdict_results(compared)
        self.studies += 1
        self.families |= {(result.estimand, result.family) for result in results}
        self.naming.update({(one.estimand, one.family) for one in results if one.judged.side})
        overall = overall_results(results)
        self.mixed.update({(one.estimand, one.family) for one in overall if one.verdict.outcome == "mixed"})
        for headline in headlines(results):
            self.differences.append(headline.difference)
            self.covering += headline.ci_low <= truth <= headline.ci_high
            self.verdicts[headline.judged.side or headline.judged.outcome] += 1
            self.clear += headline.judged.strength == "clear"
        self.rising += sum(any(edge.rises for edge in one.edges) for one in compared)

    @property
    def coverage(self) -> float:
        return self.covering / len(self.differences)


def headlines(results: list[Result]) -> list[Result]:
    """The tuned verdicts on MAP@R, one a dataset."""
    return [result for result in results if (result.estimand, result.metric) == (TUNED, "map_at_r")]


def simulated(
    studies: int,
    datasets: int,
    quality: Floats,
    truth: float,
    noise: Noise = REAL,
    metrics: Sequence[Metric] = METRICS[:1],
) -> Tally:
    """Fabricates and judges studies; on MAP@R alone if no metrics are given."""
    rng, tally = np.random.default_rng(datasets), Tally()
    for _ in range(studies):
        tally.add(fabricated_runs(rng, quality, datasets, noise, metrics), truth)
    return tally


def most(rate: float, among: int, limit: float) -> float:
    """The rate that may be seen where the true one is `rate`: a limit for many, else what chance allows for few."""
    return limit if among >= MANY else float(stats.binom.ppf(0.999, among, rate)) / among


def few_or_many(few: int, *datasets: int) -> pytest.MarkDecorator:
    """Few studies of the first number of datasets, and many of each."""
    many = [pytest.param(MANY, count, marks=pytest.mark.slow, id=f"many-{count}") for count in datasets]
    return pytest.mark.parametrize(
        ("studies", "datasets"), [pytest.param(few, datasets[0], id=f"few-{datasets[0]}"), *many]
    )


@few_or_many(100, 2, 6)
def test_sentence_25_arms_alike_are_named_at_most_at_the_nominal_rate_in_every_family(
    studies: int, datasets: int
) -> None:
    """Near-tied settings, each seed tuned on its own validation data: the whole pipeline under the null."""
    tally = simulated(studies, datasets, NEARLY_TIED, 0.0, LOUD, METRICS)
    print(f"\n{studies} studies of {datasets} datasets, naming an arm: {dict(tally.naming)}")
    print(f"mixed: {dict(tally.mixed)}; coverage {tally.coverage:.3f}; still rising {tally.rising}")
    assert {(TUNED, "primary"), (TUNED, "secondary"), (GRID_AVERAGE, "mechanism")} <= tally.families
    # Among so many families one may be a little above the nominal rate by chance, but not all of them together.
    chance = stats.binom.ppf(1 - 0.01 / len(tally.families), studies, 0.05)
    for kind in tally.families:
        assert tally.naming[kind] <= chance, kind
    if studies >= MANY:
        assert sum(tally.naming.values()) / studies / len(tally.families) <= 0.055
    assert sum(tally.mixed.values()) / studies <= most(0.05, studies, 0.05)
    among = len(tally.differences)
    assert 1 - most(0.05, among, 0.07) <= tally.coverage <= 1 - (0.03 if studies >= MANY else 0)
    assert abs(np.mean(tally.differences)) < 4 * np.std(tally.differences) / np.sqrt(among)


def nearly_tied(arm: str, margin: Floats, rate: Floats) -> Floats:
    """Both arms are best in the middle of their ranges, by less than half a point."""
    return np.asarray(-0.008 * ((margin - 0.5) ** 2 + (rate - 0.5) ** 2))


@few_or_many(25, 1)
@pytest.mark.parametrize("rungs", [(), RUNGS], ids=["drawn", "halved"])
def test_sentence_25_arms_alike_whose_seeds_search_for_themselves_are_named_at_most_at_the_nominal_rate(
    rungs: tuple[int, ...], studies: int, datasets: int
) -> None:
    """Each seed draws its own nine settings; halved, three and then one go on by noisier scores of earlier epochs.

    Nor does the band of the tuned difference name one at any number of settings more often (sentence 6).
    """
    rng, named, rising, leading = np.random.default_rng(datasets), 0, 0, 0
    for _ in range(studies):
        runs = searched_runs(rng, datasets=datasets, rungs=rungs, response=nearly_tied, noise=LOUD)
        compared = comparisons(runs, METRICS[:1])
        results = verdict_results(compared)
        named += any(result.judged.side for result in results)
        leading += sum(bool(effort.leads) for effort in efforts(compared, results))
        rising += sum(any(edge.rises for edge in one.edges) for one in compared)
    among = studies * datasets
    print(f"\n{studies} searches, rungs {rungs}: naming an arm {named / studies:.1%}, rising {rising / among:.1%}")
    print(f"bands that name an arm somewhere: {leading / among:.1%}")
    assert named / studies <= most(0.05, studies, 0.06)
    assert leading / among <= most(0.05, among, 0.065)
    assert rising / among <= most(0.05, among, 0.06)


def tuning_differences(rng: np.random.Generator, seeds: int, settings: int, skewed: bool) -> Floats:
    """The difference of the best of k drawn settings, [seeds, k]; arms are best at different points of their range."""
    shape = seeds, len(ARMS), settings

    def effect(*shape: int) -> Floats:
        return rng.exponential(1, shape) - 1 if skewed else rng.normal(0, 1, shape)

    point = rng.random(shape)
    true = -0.3 * (point - np.array([[0.5], [0.7]])) ** 2 + REAL.run * effect(*shape)
    true += REAL.seed * effect(seeds, 1, 1) + REAL.arm * np.array([[1.0], [1.5]]) * effect(seeds, 2, 1)
    order = np.argsort(true + rng.normal(0, REAL.validation, shape), axis=2)
    test = np.take_along_axis(true + rng.normal(0, REAL.test, shape), order, axis=2)
    best = test @ best_weights(settings).T
    return np.asarray(best[:, 1] - best[:, 0])


@pytest.mark.parametrize("skewed", [False, True], ids=["normal", "exponential"])
@few_or_many(400, 8, 13)
def test_sentence_6_the_band_holds_the_tuned_difference_at_all_numbers_of_settings_at_once(
    studies: int, datasets: int, skewed: bool
) -> None:
    """Studies of 8 seeds, and of 13."""
    seeds, rng = datasets, np.random.default_rng(datasets)
    truth = tuning_differences(rng, 40_000, 16, skewed).mean(axis=0)
    band, intervals = 0, 0
    for _ in range(studies):
        curves = tuning_differences(rng, seeds, 16, skewed)
        furthest = np.max(np.abs(curves.mean(axis=0) - truth) / stats.sem(curves))
        band += furthest <= simultaneous_t_quantile(curves)
        intervals += furthest <= stats.t.ppf(0.975, seeds - 1)
    print(f"\n{studies} curves of {seeds} seeds: band {band / studies:.1%}, all intervals {intervals / studies:.1%}")
    assert 1 - most(0.05, studies, 0.065) <= band / studies <= 0.98
    assert intervals / studies < 0.92


@few_or_many(30, 2)
def test_sentence_10_the_interval_of_unequal_arms_covers_what_tuning_gives_each_on_one_seed(
    studies: int, datasets: int
) -> None:
    """One arm with settings nearly tied, one with a single good one: tuning costs them differently."""
    truth = true_difference(np.random.default_rng(1), UNEQUAL)
    tally = simulated(studies, datasets, UNEQUAL, truth)
    print(f"\ntruth {truth:.4f}, mean {np.mean(tally.differences):.4f}, coverage {tally.coverage:.3f}")
    best = UNEQUAL.max(axis=1)
    assert abs(truth - (best[1] - best[0])) > 0.001  # the best settings alone would tell another difference
    among = len(tally.differences)
    assert abs(np.mean(tally.differences) - truth) < 4 * np.std(tally.differences) / np.sqrt(among)
    assert 1 - most(0.05, among, 0.07) <= tally.coverage <= 1 - (0.03 if studies >= MANY else 0)


@few_or_many(30, 2)
def test_sentence_13_thirteen_seeds_show_a_tuned_difference_of_two_points(studies: int, datasets: int) -> None:
    """And settings all alike are rarely said to rise towards an end of their range (sentence 26)."""
    quality = TIED + np.array([[0.0], [0.02]])
    tally = simulated(studies, datasets, quality, 0.02)
    among = len(tally.differences)
    print(f"\n{datasets} datasets, verdicts {dict(tally.verdicts)}, clear {tally.clear}, rising {tally.rising}")
    assert tally.verdicts[ARMS[1]] / among >= 1 - most(0.1, among, 0.1)
    assert tally.verdicts[ARMS[0]] == 0
    assert tally.rising / among <= most(0.05, among, 0.06)


def test_sentence_7_verdicts_on_lognormal_differences_carry_the_warning() -> None:
    """A true difference whose noise is lognormal: over a third of the verdicts warn, with normal noise next to none."""
    rng, warned, studies = np.random.default_rng(3), {"lognormal": 0, "normal": 0}, 25
    for _ in range(studies):
        runs = fabricated_runs(rng, NEARLY_TIED, datasets=2, metrics=METRICS[:1])
        unit = runs.groupby(["dataset", "loss", "seed"]).ngroup().to_numpy()
        second = (runs["loss"] == ARMS[1]).to_numpy()
        for noise in warned:
            drawn = rng.normal(0, 1, unit.max() + 1)[unit]
            shift = 0.03 * np.exp(drawn) if noise == "lognormal" else 0.05 + 0.01 * drawn
            shifted = runs.assign(**{SCORE: runs[SCORE] + np.where(second, shift, 0.0)})
            for result in headlines(verdict_results(comparisons(shifted))):
                warns = "the differences are skewed" in result.judged.reason
                assert warns == (abs(result.skewness) > 1.5 and result.judged.test is not None)
                warned[noise] += warns
    among = 2 * studies
    print(f"\nwarned of {among}: {warned}")
    assert warned["lognormal"] / among > 0.3
    assert warned["normal"] / among <= most(0.01, among, 0.02)
