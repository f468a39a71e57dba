"""The study: configuration, planning, training on Ray, and recording in MLflow.

    from study import plan_study, run_study

    print(plan_study("demo", seeds=8))
    result = run_study("demo", seeds=8)
    result.verdicts

Reading order:
    `run`: the command.
    `notebook`: the same from Python.
    `session`: one study, from its plan to its report.
    `state`: what the study wants and has.
    `training`: trains what is missing.
    `planning`: the configuration as runs and packs, and how long they take.
    `cluster`: trains packs on Ray.
    `recording`: writes their results to records and MLflow; `sync` fills MLflow again.
    `data`, `storage`, `config`: datasets, the study's folder, and what a user may ask for.

Imports go one way: run, notebook > session > training > state, cluster, recording > planning > data > config; state and
recording > storage. Every module may import `errors` and `progress`, and `output` where it speaks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.config.loading import ConfigError
    from study.config.model import StudyConfig
    from study.errors import StudyError
    from study.notebook.calls import Plan, plan_study, run_study, study_config
    from study.notebook.result import StudyResult

__all__ = [
    "ConfigError",
    "Plan",
    "StudyConfig",
    "StudyError",
    "StudyResult",
    "plan_study",
    "run_study",
    "study_config",
]
# Imported when they are asked for: the command has things to say before, and workers need none of them.
_PLACES = {
    "ConfigError": "config.loading",
    "StudyConfig": "config.model",
    "StudyError": "errors",
    "StudyResult": "notebook.result",
    **dict.fromkeys(("Plan", "plan_study", "run_study", "study_config"), "notebook.calls"),
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
