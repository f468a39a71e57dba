"""The version of the code that computed a result."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainables.provenance import code_version


def test_a_version_names_the_libraries_that_compute_and_holds_no_space() -> None:
    version = code_version()
    assert f".torch{torch.__version__.partition('+')[0]}.numpy{np.__version__}" in version
    assert " " not in version


def test_builds_of_one_pytorch_for_other_devices_count_as_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = []
    for build in ("2.9.0+cpu", "2.9.0+cu128", "2.9.1+cpu"):
        monkeypatch.setattr(torch, "__version__", build)
        versions.append(code_version.__wrapped__())
    assert versions[0] == versions[1] != versions[2]
