from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Tests must not report to a tracking server or join a cluster that the developer's shell points to.
for variable in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
    os.environ.pop(variable, None)

# Ray's workers give way to every other process; beside other tests they would hardly come to train.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112

# On CI a change is judged on the same examples each time; a developer's machine keeps looking for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a CUDA device on a machine without one."""
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu:
        import torch  # takes seconds

        if not torch.cuda.is_available():
            for item in on_gpu:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
