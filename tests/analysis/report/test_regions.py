"""A report on regions of practical equivalence of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from analysis.comparison.result import Result, Verdict
from analysis.metrics import metrics_with
from analysis.report.__main__ import main
from analysis.report.arms import arm_styles
from analysis.report.document.assembly import report
from analysis.report.document.captions import figures_caption
from analysis.report.figures.forest import forest
from analysis.report.renderers.markdown import markdown
from tests.analysis.findings import found
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs


def small_study() -> pd.DataFrame:
    return simulated_runs(np.random.default_rng(1), seeds=8, effect=0.03, pair_noise=0.004)


def result(metric: str, rope: float) -> Result:
    verdict = Verdict("undecided", "no test rejects")
    about = {"first": "triplet", "second": "contrastive", "scale": "share", "verdict": verdict}
    return Result(metric=metric, rope=rope, n=8, difference=0.01, ci_low=0.0, ci_high=0.02, **about)  # type: ignore[arg-type]


def bands_of(ropes: list[float]) -> list[tuple[float, float]]:
    """From where to where each grey band of a forest plot lies."""
    results = [result(f"m{number}", rope) for number, rope in enumerate(ropes)]
    labels = [one.metric for one in results]
    (axes,) = forest(results, labels, "Effects", arm_styles(["contrastive", "triplet"])).axes
    rectangles = [band for band in axes.patches if isinstance(band, Rectangle)]
    return [(band.get_x(), band.get_x() + band.get_width()) for band in rectangles]


def test_sentence_9_the_report_names_the_regions_that_were_set() -> None:
    runs = small_study()
    rope = {"map_at_r": 0.02, "recall_at_1": 0.02, "intra_variance": 1.2, "loss_decay_epochs": 3}
    findings = found("s", runs, metrics=metrics_with(rope))
    text = markdown(report(findings))
    named = "\u00b12 pt for MAP@R and Recall@1, a factor of 1.2 for intra-class variance, \u00b13 epochs for loss"
    assert text.count(f"set for this report: {named}") == 1
    assert f"1 epoch for decay times; set for this report instead: {named}" in text
    assert "above use 1 pt, but for those set for this report: \u00b12 pt for MAP@R and Recall@1." in text
    assert "more than 2 pt" in text or "within 2 pt" in text
    assert "Each row has the band of its own metric." in figures_caption("Effects", [], findings)
    plain = found("s", runs)
    assert "set for this report" not in markdown(report(plain))
    assert "own metric" not in figures_caption("Effects", [], plain)


def test_a_forest_plot_has_one_band_or_where_regions_differ_one_for_each_row() -> None:
    np.testing.assert_allclose(bands_of([0.02, 0.02]), [(-2.0, 2.0)])
    np.testing.assert_allclose(bands_of([0.02, 0.01]), [(-2.0, 2.0), (-1.0, 1.0)])


def test_the_command_takes_regions_and_refuses_impossible_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_study(tmp_path, "s", small_study())
    command = ["--study", "s", "--storage", str(tmp_path)]
    for text, expected in (
        ("map_at=0.02", "error: unknown metric 'map_at': did you mean 'map_at_r'? choose from"),
        ("map_at_r", "error: --rope: 'map_at_r' should be METRIC=VALUE, as in map_at_r=0.02 intra_variance=1.2\n"),
        ("map_at_r=2", "error: the region of practical equivalence of map_at_r must be a share between 0 and 1"),
    ):
        assert main([*command, "--rope", text]) == 2
        assert capsys.readouterr().err.startswith(expected)
    assert main([*command, "--rope", "map_at_r=0.02", "map_at_r=0.03"]) == 2
    assert capsys.readouterr().err == "error: --rope: map_at_r has two values\n"
    assert main([*command, "--rope", "map_at_r=0.02"]) == 0
    table = pd.read_csv(tmp_path / "s" / "report" / "verdicts.csv")
    assert set(table.loc[table["metric"] == "map_at_r", "rope"]) == {0.02}
    assert set(table.loc[table["metric"] == "recall_at_1", "rope"]) == {0.01}
