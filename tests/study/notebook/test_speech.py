"""How a session speaks to Python."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from analysis.masking import learn
from analysis.store.loading import StudyWarning
from study.notebook.speech import NotebookBar, PythonVoice, in_notebook, in_python
from study.progress import TerminalBar


class ZMQInteractiveShell:
    """Called as IPython calls the shell of a kernel."""


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=ZMQInteractiveShell))  # type: ignore[arg-type]


@pytest.fixture
def voice() -> PythonVoice:
    return PythonVoice(sys._getframe())


@pytest.mark.usefixtures("kernel")
def test_a_notebook_gets_a_bar_with_the_runs_and_the_time_left(
    voice: PythonVoice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_notebook()
    bar = voice.bar()
    assert isinstance(bar, NotebookBar)
    bar.show(0.25, "12/48 runs", force=True, more="  3 packs done")
    bar.show(0.5, "24/48 runs")  # a moment later
    bar.say("training takes 3 times as long as planned")
    bar.show(1.0, "48/48 runs", force=True)
    bar.close()
    out, err = capsys.readouterr()
    assert "12/48 runs  25%|" in err
    assert ", 3 packs done" in err
    assert "24/48" not in err
    assert "48/48 runs 100%|" in err
    assert "3 times as long" in out
    assert bar.elapsed() > 0


def test_elsewhere_the_progress_is_that_of_the_command(voice: PythonVoice) -> None:
    assert not in_notebook()
    assert isinstance(voice.bar(), TerminalBar)


def test_texts_name_fields_and_hide_secrets() -> None:
    learn("postgresql://me:hunter2hunter2@host/db")  # pragma: allowlist secret
    assert in_python("give --tracking-uri, --extend or --no-halving, not --version of hunter2hunter2") == (
        "give tracking_uri, extend=True or halving=False, not --version of ***"
    )


def test_the_death_of_rays_head_is_a_warning_before_its_processes_end(voice: PythonVoice) -> None:
    ended: list[str] = []
    with pytest.warns(StudyWarning, match="Ray's head here has died; if the call does not return, Ray ends this"):
        voice.end("Ray's head here has died", lambda: ended.append("processes"))
    assert ended == ["processes"]
