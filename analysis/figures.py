"""The report's figures as matplotlib's, for notebooks and papers.

from analysis import figures, load_study, verdicts

runs = load_study("demo")
figures.forest(verdicts(runs), "digits").savefig("forest.pdf")  # or .svg; Jupyter shows a figure by itself

Each is drawn by the code of the report, 3.3 to 3.6 inches wide as a column of a paper, with letters of 8 to 9.5 points.
`figure.set_size_inches` gives it another size, and `figure.axes` what matplotlib can change. Where a study has several
datasets, one must be named, as tables name it; with more than two losses, as ``"digits: triplet and contrastive"``.
"""

from __future__ import annotations

from typing import Literal, get_args

import pandas as pd
from matplotlib.figure import Figure

from analysis.comparison.comparisons import Comparison, comparisons
from analysis.comparison.result import results_of
from analysis.metrics import BY_NAME, SCORE, Scale
from analysis.parameters import ARM
from analysis.report.arms import ArmStyle, arm_styles, pair_styles
from analysis.report.figures import conditions, searching
from analysis.report.figures import embeddings as sketches
from analysis.report.figures import margins as by_margin
from analysis.report.figures.curves import DYNAMICS, VARIANCES, curve, epoch_curves
from analysis.report.figures.forest import by_axis, effect_groups, effects
from analysis.report.figures.sketches import chosen_sketches
from analysis.report.figures.style import Drawing, NothingToDrawError
from analysis.searching.importance import importances as importance_table
from analysis.searching.margin_rate import landscape as landscape_table
from analysis.store.files import Folder
from analysis.store.loading import read_study

__all__ = [
    "NothingToDrawError",
    "curves",
    "decay",
    "embeddings",
    "forest",
    "importances",
    "landscape",
    "margins",
    "tuning_difference",
    "tuning_effort",
]

About = Literal["performance", "activity", "variances", "decay"]
_AXES: dict[About, tuple[str, Scale]] = {
    "performance": ("performance", "share"),
    "activity": ("mechanism", "share"),
    "variances": ("mechanism", "log"),
    "decay": ("mechanism", "epochs"),
}


def forest(table: pd.DataFrame, dataset: str | None = None, about: About = "performance") -> Figure:
    """Effects with their intervals, on the region of practical equivalence.

    Args:
        table: Rows of `analysis.verdicts`, with all their columns, of one pair of losses. Of a whole table, the tuned
            verdicts and grid averages are shown, as in the report; of one metric and estimand, a row for each dataset.
        dataset: Which one; all of the table if not given.
        about: Of which metrics: those in points of performance, the share of active candidates (``"activity"``),
            ``"variances"`` and the gradient norm, or epochs of ``"decay"``. They have no axis in common.

    Raises:
        NothingToDrawError: If the table has none of these with two seeds; a `ValueError`.
        ValueError: If it has several pairs of losses, or `about` is none of these.

    Examples:
        >>> from analysis import load_study, verdicts
        >>> figure = forest(verdicts(load_study("demo")))
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()][:2]
        ['MAP@R, tuned', 'Recall@1, tuned']
    """
    if about not in get_args(About):
        raise ValueError(f"about={about!r}: choose from {', '.join(get_args(About))}")
    results = results_of(table)
    pairs = sorted({result.arms for result in results})
    if len(pairs) > 1:
        raise ValueError(f"the table compares {len(pairs)} pairs of losses: keep the rows of one `first` and `second`")
    own = [result for result in results if dataset in (None, result.dataset) and result.n > 1]
    shown = (effect_groups(own) or by_axis(own)).get(_AXES[about])
    if not shown:
        raise NothingToDrawError(f"the table has no {about} of two seeds or more{f' on {dataset}' if dataset else ''}")
    return effects(shown, arm_styles(sorted(pairs[0]))).figure


def curves(
    study: str, metric: str = "train/loss", dataset: str | None = None, storage: str | Folder = "results"
) -> Figure:
    """A metric by epoch, mean over seeds and 95% band.

    Args:
        study: The study's name; its records are read.
        metric: ``train/loss``, ``train/active_ratio``, ``train/grad_norm``, ``test/intra_variance`` or
            ``test/inter_variance``.
        dataset: Which one, if there are several.
        storage: As for `analysis.load_study`.

    Raises:
        NothingToDrawError: If no run has it; a `ValueError`.
        StudyNotFoundError: As `analysis.load_study` does.
        ValueError: If the metric is none of these, or the dataset must be named.

    Examples:
        >>> curves("demo", "train/grad_norm").axes[0].get_xlabel()
        'epoch'
    """
    if metric not in (*DYNAMICS, *VARIANCES):
        raise ValueError(f"metric={metric!r}: choose from {', '.join((*DYNAMICS, *VARIANCES))}")
    stored = read_study(study, storage, points_of=(metric,))
    comparison = _comparison(stored.runs, dataset)
    return curve(metric, epoch_curves([comparison], stored.points), comparison).figure


def embeddings(study: str, loss: str, dataset: str | None = None, storage: str | Folder = "results") -> Figure:
    """Test samples in two dimensions, of the run that one seed chose for a loss.

    Args:
        study: The study's name; its records are read.
        loss: Which one.
        dataset: Which one, if there are several.
        storage: As for `analysis.load_study`.

    Raises:
        NothingToDrawError: If none were kept of both losses with one seed; a `ValueError`.
        StudyNotFoundError: As `analysis.load_study` does.
        ValueError: If the study does not compare that loss, or the dataset must be named.
    """
    stored = read_study(study, storage, points_of=(), sketches=True)
    comparison = _comparison(stored.runs, dataset)
    if loss not in comparison.arms:
        raise ValueError(f"loss={loss!r}: choose from {', '.join(comparison.arms)}")
    rows = chosen_sketches([comparison], stored.sketches)
    return sketches.embeddings(rows[rows[ARM] == loss], loss, pair_styles(comparison)[loss]).figure


def margins(runs: pd.DataFrame, metric: str = SCORE.name, dataset: str | None = None) -> Figure:
    """A metric by margin, each loss on an axis of its own.

    Args:
        runs: A study, as `analysis.load_study` gives it.
        metric: As tables of verdicts name it.
        dataset: Which one, if there are several.

    Raises:
        NothingToDrawError: If no run has the metric, or there is one margin alone; a `ValueError`.
        ValueError: If the metric is unknown, or the dataset must be named.

    Examples:
        >>> from analysis import load_study
        >>> [axes.get_title(loc="left") for axes in margins(load_study("demo")).axes]
        ['triplet', 'contrastive']
    """
    if metric not in BY_NAME:
        raise ValueError(f"metric={metric!r}: choose from {', '.join(BY_NAME)}")
    return _figure(by_margin.margins(BY_NAME[metric], _comparison(runs, dataset)), "one margin alone")


def decay(runs: pd.DataFrame, dataset: str | None = None) -> Figure:
    """The share of runs whose loss has not fallen to a tenth yet, by epoch (Kaplan-Meier).

    Args:
        runs: A study, as `analysis.load_study` gives it.
        dataset: Which one, if there are several.

    Raises:
        NothingToDrawError: If no run has a decay time; a `ValueError`.
        ValueError: If the dataset must be named.
    """
    return _figure(conditions.decay(_comparison(runs, dataset)), "no runs that both losses share")


def tuning_effort(runs: pd.DataFrame, dataset: str | None = None) -> Figure:
    """The test score to be expected of the best of so many settings, for both losses.

    Args:
        runs: A study, as `analysis.load_study` gives it.
        dataset: Which one, if there are several.

    Raises:
        NothingToDrawError: If there is one setting alone, or not any order of trying them would do; a `ValueError`.
        ValueError: If the dataset must be named.
    """
    return _figure(conditions.tuning_effort(_comparison(runs, dataset)), _NO_ORDER)


def tuning_difference(runs: pd.DataFrame, dataset: str | None = None) -> Figure:
    """The difference of the losses to be expected with so many settings, on the region of practical equivalence.

    Args:
        runs: A study, as `analysis.load_study` gives it.
        dataset: Which one, if there are several.

    Raises:
        NothingToDrawError: As `tuning_effort` does.
        ValueError: If the dataset must be named.
    """
    return _figure(conditions.tuning_difference(_comparison(runs, dataset)), _NO_ORDER)


def importances(runs: pd.DataFrame, dataset: str | None = None) -> Figure:
    """How much each hyperparameter matters to the validation score, with intervals over seeds.

    Args:
        runs: A study, as `analysis.load_study` gives it.
        dataset: Which one, if there are several.

    Raises:
        NothingToDrawError: If the study is too small to tell; a `ValueError`.
        ValueError: If the dataset must be named.
    """
    return searching.importance_dots(_of_dataset(importance_table(runs), dataset), _styles(runs)).figure


def landscape(runs: pd.DataFrame, dataset: str | None = None) -> Figure:
    """Validation MAP@R by margin and learning rate, a map for each loss.

    Args:
        runs: A study, as `analysis.load_study` gives it.
        dataset: Which one, if there are several.

    Raises:
        NothingToDrawError: If no loss has several margins and learning rates; a `ValueError`.
        ValueError: If the dataset must be named.
    """
    return searching.margin_rate_map(_of_dataset(landscape_table(runs), dataset), _styles(runs)).figure


_NO_ORDER = "one setting alone, or settings that not any order of trying would do for"


def _comparison(runs: pd.DataFrame, dataset: str | None) -> Comparison:
    """The comparison of a name, or the only one."""
    readable = {one.label: one for one in comparisons(runs) if one.readable}
    if not readable:
        raise NothingToDrawError("no dataset has readable runs of two losses: there is nothing to compare")
    return readable[_named(list(readable), dataset)]


def _of_dataset(table: pd.DataFrame, dataset: str | None) -> pd.DataFrame:
    if table.empty:
        raise NothingToDrawError("the study has too few settings or seeds for this")
    return table[table["dataset"] == _named(list(dict.fromkeys(table["dataset"])), dataset)]


def _named(names: list[str], dataset: str | None) -> str:
    if dataset is None and len(names) == 1:
        return names[0]
    if dataset in names:
        return str(dataset)
    given = "several datasets" if dataset is None else f"dataset={dataset!r}"
    raise ValueError(f"{given}: choose dataset from {', '.join(map(repr, names))}")


def _styles(runs: pd.DataFrame) -> dict[str, ArmStyle]:
    return arm_styles(sorted(runs[ARM].unique()))


def _figure(drawing: Drawing | None, otherwise: str) -> Figure:
    if drawing is None:
        raise NothingToDrawError(f"the study has {otherwise}: there is nothing to draw")
    return drawing.figure
