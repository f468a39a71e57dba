"""Studies by a call from Python; the sessions are stood in for, but those that the notebook of `.readme` holds."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import study
from analysis import StudyWarning, claims, load_study, verdicts
from study import ConfigError, StudyConfig, StudyError, StudyResult, plan_study, run_study, study_config
from study.output.voice import Voice
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs

SMALL: dict[str, Any] = {"name": "mine", "datasets": "digits", "margins": [0.5, 1, 2], "seeds": 8}
Session = Callable[[StudyConfig, bool, float, Voice], int]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Callable[[Session], None]:
    """Puts something in the place of the session."""
    return lambda session: monkeypatch.setattr("study.session.run_study", session)


def raising(error: BaseException) -> Session:
    def session(config: StudyConfig, only_plan: bool, started: float, voice: Voice) -> int:
        raise error

    return session


def test_the_import_needs_neither_pytorch_nor_ray_nor_pandas() -> None:
    heavy = ("torch", "ray", "mlflow", "optuna", "pandas", "numpy", "matplotlib")
    code = f"import sys; from study import plan_study, run_study; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_name_that_the_package_offers_is_there_and_no_other() -> None:
    assert all(hasattr(study, name) for name in study.__all__)
    assert not hasattr(study, "start_study")


def test_fields_are_those_of_the_command(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("datasets: [digits]\nmargins: [0.5, 1, 2]\nseeds: 8\n")
    assert study_config("demo", file) == study_config("demo", **{**SMALL, "name": "own"})
    assert study_config("demo", file, seeds=9).seeds == tuple(range(9))
    by_loss = study_config("demo", file, margins={"contrastive": [1, 2], "triplet": [0.1, 1]})
    assert by_loss.margins.of("triplet") == (0.1, 1.0)


def test_a_fault_of_the_configuration_is_an_exception_that_names_fields_and_no_options() -> None:
    with pytest.raises(ConfigError, match=r"^margins: input should be a valid number") as raised:
        run_study("demo", **{**SMALL, "margins": [0.5, "x"]})
    assert raised.value.__cause__ is None
    with pytest.raises(ConfigError, match=r"^encoder cub200=cnn: the study has no dataset 'cub200'"):
        plan_study("demo", **SMALL, encoder={"cub200": "cnn"})
    with pytest.raises(ConfigError, match="did you mean 'seeds'"):
        run_study("demo", sead=3)
    with pytest.raises(ConfigError, match="a StudyConfig stands alone: give config, seeds to study_config"):
        run_study(study_config("demo"), "own.yaml", seeds=3)


def test_a_plan_is_the_text_of_the_session(held: Callable[[Session], None]) -> None:
    asked: list[Any] = []

    def session(config: StudyConfig, only_plan: bool, started: float, voice: Voice) -> int:
        asked.append((config, only_plan))
        voice.say("Study 'mine'\n  runs  48")
        return 0

    held(session)
    plan = plan_study("demo", **SMALL)
    assert str(plan) == repr(plan) == "Study 'mine'\n  runs  48"
    assert asked == [(study_config("demo", **SMALL), True)] == [(plan.config, True)]


def test_what_fails_on_the_way_is_in_the_result_and_a_warning_at_the_line_of_the_call(
    held: Callable[[Session], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def session(config: StudyConfig, only_plan: bool, started: float, voice: Voice) -> int:
        voice.say("the plan")
        voice.fail("the pack of 4 runs failed: no memory")
        voice.say("the verdicts")
        return 1

    held(session)
    with pytest.warns(StudyWarning, match="the pack of 4 runs failed") as caught:
        result = run_study("demo", **SMALL)
    assert [one.filename for one in caught] == [__file__]
    assert result.failures == ("the pack of 4 runs failed: no memory",)
    assert result.output == "the plan\nthe verdicts"
    assert capsys.readouterr() == ("", "")


def test_the_same_warning_is_shown_again_by_another_call(held: Callable[[Session], None]) -> None:
    def session(config: StudyConfig, only_plan: bool, started: float, voice: Voice) -> int:
        voice.warn("few seeds")
        return 0

    held(session)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        run_study("demo", **SMALL)
        run_study("demo", **SMALL)
    assert [str(one.message) for one in caught] == ["few seeds"] * 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StudyError("no weights: give --weights, or run the same command again"), "no weights: give weights, or run "),
        (OSError(28, "disk full"), "disk full; what is recorded stays"),
        (MemoryError(), "no memory left"),
    ],
)
def test_what_ends_a_session_is_a_study_error_in_words_of_python(
    error: BaseException, said: str, held: Callable[[Session], None]
) -> None:
    held(raising(error))
    with pytest.raises(StudyError, match=said) as raised:
        run_study("demo", **SMALL)
    assert "--" not in str(raised.value)
    # A notebook keeps the last error; it must not keep the session's frames, and with them objects of Ray's.
    assert raised.value.__context__ is None


def test_an_interrupt_stays_one_and_says_how_to_go_on(held: Callable[[Session], None]) -> None:
    held(raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt, match="the same call goes on from what is recorded") as raised:
        run_study("demo", **SMALL)
    assert raised.value.__context__ is None


def test_another_error_comes_through_as_it_is(held: Callable[[Session], None]) -> None:
    held(raising(ZeroDivisionError("a fault of ours")))
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        run_study("demo", **SMALL)


def test_the_environment_of_the_process_is_as_before(
    held: Callable[[Session], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def session(config: StudyConfig, only_plan: bool, started: float, voice: Voice) -> int:
        os.environ["TUNE_GLOBAL_CHECKPOINT_S"], os.environ["KEPT"] = "3600", "changed"
        return 0

    held(session)
    monkeypatch.setenv("KEPT", "own")
    monkeypatch.delenv("TUNE_GLOBAL_CHECKPOINT_S", raising=False)
    before = dict(os.environ)
    run_study("demo", **SMALL)
    assert dict(os.environ) == before


@pytest.fixture
def result(tmp_path: Path) -> StudyResult:
    """Of a recorded study with a region of equivalence of its own."""
    record_study(tmp_path, "mine", simulated_runs(np.random.default_rng(0), seeds=13, effect=0.1))
    return StudyResult(study_config("demo", **SMALL, storage=tmp_path, rope={"map_at_r": 0.2}))


def test_a_result_gives_what_the_analysis_gives(result: StudyResult, tmp_path: Path) -> None:
    runs, rope = load_study("mine", tmp_path), {"map_at_r": 0.2}
    pd.testing.assert_frame_equal(result.runs, runs)
    pd.testing.assert_frame_equal(result.verdicts, verdicts(runs, rope=rope))
    pd.testing.assert_frame_equal(result.claims, claims(runs, rope=rope))
    assert result.verdicts.set_index(["metric", "estimand"]).loc[("map_at_r", "tuned"), "verdict"] == "equivalent"
    assert result.report == tmp_path / "mine" / "report" / "report.html"
    assert repr(result) == f"StudyResult('mine', {str(result.report)!r})"


def test_a_notebook_shows_what_to_use_the_verdicts_and_what_failed(result: StudyResult) -> None:
    failed = StudyResult(result.config, ("<b> failed",))
    page = failed._repr_html_()
    assert "digits: either loss, they retrieve equally well" in page
    assert '<span class="badge equivalent">equivalent (not zero)</span>' in page
    assert "&lt;b&gt; failed" in page
    assert "<html" not in page


def test_a_result_without_runs_says_so(tmp_path: Path) -> None:
    page = StudyResult(study_config("demo", **SMALL, storage=tmp_path))._repr_html_()
    assert "no runs of a study &#x27;mine&#x27;" in page
