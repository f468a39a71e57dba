"""Whether the runs of a configuration are those of the study whose name it bears, or others beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.parameters import PARAMETERS
from analysis.plain_text import name_text
from analysis.store.record_schema import RunDescription
from study.planning.grid import Run, run_params

_SHOWN = 4  # values of a parameter


def differences(runs: Sequence[Run], recorded: Iterable[RunDescription]) -> list[str]:
    """How recorded runs differ from all that are asked for, parameter by parameter.

    A study that grows, by seeds, margins or datasets, asks for all that is recorded, and more: there is no difference.

    Args:
        runs: All runs of a configuration.
        recorded: The runs that are recorded under its name.

    Returns:
        A few words for each parameter, empty if every recorded run is asked for.
    """
    keys = {run.key for run in runs}
    others = [run.params for run in recorded if run.key not in keys]
    if not others:
        return []
    asked = [run_params(run) for run in runs]
    found = []
    for parameter in PARAMETERS:
        wanted = {values[parameter.name] for values in asked}
        more = {parameter.read(values) for values in others} - wanted
        if more:
            found.append(f"{parameter.name} {_text(more)} (here {_text(wanted)} alone)")
    return found or [f"{len(others)} runs with other combinations of these values, or on other data or weights"]


def _text(values: Iterable[object]) -> str:
    ordered = sorted(values, key=lambda value: (isinstance(value, str), value))  # type: ignore[arg-type]
    shown = ", ".join(f"{value:g}" if isinstance(value, float) else name_text(value) for value in ordered[:_SHOWN])
    return shown + (f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else "")
