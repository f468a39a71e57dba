from __future__ import annotations

import os

# Tests must not report to a tracking server or join a cluster that the developer's shell points to.
for variable in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
    os.environ.pop(variable, None)
