"""The GPU of the session's own machine: the plan is measured on it, and the packs have it afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
import torch

from study import session
from study.run import main
from tests.study.test_session import SMALL

GPU = torch.device("cuda")


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A GPU that is not there; lists when its memory was released."""
    times: list[str] = []
    monkeypatch.setattr(session, "local_device", lambda: GPU)
    monkeypatch.setattr(session, "release_memory", lambda: times.append("released"))
    return times


def fails_with(error: Exception) -> object:
    def fails(*_: object) -> NoReturn:
        raise error

    return fails


@pytest.mark.parametrize("message", ["CUDA out of memory. Tried to allocate 2 GiB.\nSee", "CUDA error: out of memory"])
def test_a_full_gpu_is_one_line_before_ray_starts(
    message: str, released: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    error = torch.OutOfMemoryError(message) if "\n" in message else RuntimeError(message)
    monkeypatch.setattr(session, "estimate", fails_with(error))
    assert main([*SMALL, "--storage", str(tmp_path), "--plan"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: the GPU of this machine is full ({message.splitlines()[0]}")
    assert "CUDA_VISIBLE_DEVICES=" in line
    assert released == ["released"]


def test_other_errors_stay_what_they_are(released: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(session, "estimate", fails_with(RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes"):
        main([*SMALL, "--storage", str(tmp_path), "--plan"])
    assert released == ["released"]


def test_what_a_plan_measured_with_is_released(released: list[str], tmp_path: Path) -> None:
    assert main([*SMALL, "--storage", str(tmp_path), "--plan"]) == 0
    assert released == ["released"]
