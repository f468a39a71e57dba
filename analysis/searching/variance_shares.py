"""How much of the variance of scores follows each hyperparameter, by functional ANOVA: Optuna's, loaded on first use.

Chosen by trying, on functions of 2 to 5 hyperparameters whose shares are known, with 24 settings and noise of 0.3
standard deviations. The shares of one seed, scaled to 1, erred by 0.02 to 0.21 with fANOVA (root mean square over 26
draws). Mean decrease impurity erred by 0.04 to 0.18, but knows no interactions and gives what does nothing twice as
much. PED-ANOVA, which asks what the best settings have in common, erred by 0.12 to 0.29 with the best quarter; the best
tenth, its default, are three of 24.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pandas as pd

from analysis.comparison.levels import Ends
from analysis.comparison.pairing import Floats

# As good as 64 trees of any depth, at a ninth of their time: seeds differ by more than forests of one seed.
_TREES = 8
_DEPTH = 6


def variance_shares(settings: pd.DataFrame, ranges: Mapping[str, Ends], scores: Floats) -> dict[str, float] | None:
    """The share of each hyperparameter in the variance of the scores over the whole space, all others averaged out.

    What is missing to 1 follows several together, or is chance. The order of the settings does not matter, and the
    same settings and scores give the same shares.

    Args:
        settings: One a row, at least two; a column for each hyperparameter, of numbers or of names.
        ranges: From where to where the space of each numeric hyperparameter goes, on the scale of its numbers. All of
            that range weighs the same.
        scores: (settings,) finite.

    Returns:
        None where all scores are equal, or no tree of the forest finds what they follow.

    References:
        Hutter, Hoos and Leyton-Brown (2014). An efficient approach for assessing hyperparameter importance. ICML.
    """
    if np.ptp(scores) == 0:
        return None

    from optuna import create_study  # takes half a second, which not every use of the analysis must pay
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.trial import create_trial

    names = [str(name) for name in settings]
    rows = settings.assign(score=scores)
    rows = rows.sort_values([*names, "score"])  # a forest draws rows by their number: they stand in one order
    values = rows["score"].to_numpy()
    rows["score"] = (values - values.mean()) / values.std()
    space: dict[str, BaseDistribution] = {
        name: FloatDistribution(*ranges[name]) if name in ranges else CategoricalDistribution(sorted(set(rows[name])))
        for name in names
    }
    with _quiet():
        study = create_study(direction="maximize")
        for row in rows.to_dict("records"):
            value = row.pop("score")
            study.add_trial(create_trial(params=row, distributions=space, value=value))  # type: ignore[arg-type]
        evaluator = FanovaImportanceEvaluator(n_trees=_TREES, max_depth=_DEPTH, seed=0)
        try:
            found = evaluator.evaluate(study)  # `get_param_importances` would have them add up to 1
        except RuntimeError:  # no tree has a split
            return None
    return {name: float(found[name]) for name in names}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's line about each study."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)
