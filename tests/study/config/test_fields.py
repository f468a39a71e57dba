"""What a user may write for a field, and the value that it becomes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from study.config import fields

MODULES = "import sys, study.config.fields; print(*sys.modules)"


def read(kind: Any, value: Any) -> Any:
    return TypeAdapter(kind).validate_python(value)


def test_fields_need_names_alone_and_no_training() -> None:
    done = subprocess.run([sys.executable, "-c", MODULES], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "study.config.fields" in loaded
    assert not {"ray", "mlflow", "torchvision", "pandas"} & set(loaded)
    training = {name for name in loaded if name.startswith("trainables.training.")}
    assert training == {"trainables.training.samplers"}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (fields.Seeds, "3", (0, 1, 2)),
        (fields.Seeds, ["3", "5", "3"], (3, 5)),
        (fields.Levels, "0.1,0.2", (0.1, 0.2)),
        (fields.Levels, 0.5, (0.5,)),
        (fields.Miners, ["all,hard", "all"], ("all", "hard")),
        (fields.Datasets, ["folder:/a,b", "digits"], ("folder:/a,b", "digits")),
        (fields.Encoders, ["folder:a=b=cnn,mlp"], {"folder:a=b": ("cnn", "mlp")}),
        (fields.Files, ["vit_b_32=/a=b.pth"], {"vit_b_32": Path("/a=b.pth")}),
        (fields.Storage, "file:///results", Path("/results")),
    ],
)
def test_a_value_is_read_as_the_user_means_it(kind: Any, value: Any, expected: Any) -> None:
    assert read(kind, value) == expected


def test_an_address_that_remote_file_systems_take_for_a_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="take '\\[' for a pattern, choose a name without it"):
        read(fields.Storage, "memory://bucket/a[1]")
    assert read(fields.Storage, tmp_path / "a[1]") == tmp_path / "a[1]"


@pytest.mark.parametrize(
    ("kind", "value"), [(fields.Seeds, "0"), (fields.Seeds, []), (fields.Datasets, "folder:"), (fields.Storage, 5)]
)
def test_a_value_that_means_nothing_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        read(kind, value)
