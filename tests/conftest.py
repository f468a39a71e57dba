from __future__ import annotations

import os

from hypothesis import settings

# Tests must not report to a tracking server or join a cluster that the developer's shell points to.
for variable in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
    os.environ.pop(variable, None)

# On CI a change is judged on the same examples each time; a developer's machine keeps looking for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
