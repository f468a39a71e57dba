"""Saved views of MLflow's page of runs: what is filtered, sorted, listed and charted, kept in a tag of the experiment.

MLflow documents neither the tag nor the address; both are as its own interface writes them since version 3.15.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TAG = "mlflow.sharedViewState."
"""What the name of a view's tag begins with; its key follows."""
_LOADED = 100  # runs that MLflow lists and charts
Axis = tuple[Literal["PARAM", "METRIC"], str]
"""What an axis of a chart shows."""
# Columns that every table has: what comes before the chosen ones, and what comes after them.
_FIRST, _LAST = "attributes.`Run Name`", ("runDateAndNestInfo", "duration")


@dataclass(frozen=True)
class Chart:
    """A chart, as MLflow keeps it: its kind and what else it has to be told."""

    kind: Literal["BAR", "LINE", "SCATTER", "PARALLEL"]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """Charts under a title, so many beside each other."""

    title: str
    charts: tuple[Chart, ...]
    columns: int = 3


@dataclass(frozen=True)
class View:
    """A saved view.

    Attributes:
        key: Names it in its address.
        title: Its name in MLflow's list of views.
        only: Which runs it shows, in MLflow's search language.
        columns: What a table of these runs shows beside their names.
        order: The column that they are sorted by.
        ascending: Whether the least comes first.
        sections: Its charts; a view without any opens as a table.
    """

    key: str
    title: str
    only: str
    columns: tuple[str, ...]
    order: str
    ascending: bool = False
    sections: tuple[Section, ...] = ()

    def address(self, experiment: str) -> str:
        """Where it opens, below MLflow's own address."""
        mode = "CHART" if self.sections else "TABLE"
        options = f"viewStateShareKey={self.key}&compareRunsMode={mode}&workflowType=machine_learning"
        return f"#/experiments/{experiment}/runs?{options}"

    def tag(self, now: int) -> tuple[str, str]:
        """The name and the value of its tag.

        Args:
            now: The time, in milliseconds since 1970.
        """
        packed = base64.b64encode(zlib.compress(json.dumps(self._state()).encode(), 9)).decode()
        value = {"name": self.title, "createdAt": now, "updatedAt": now, "state": f"deflate;{packed}"}
        return f"{TAG}{self.key}", json.dumps(value)

    def _state(self) -> dict[str, Any]:
        order = [_FIRST, *self.columns, *_LAST]
        return {
            **{"searchFilter": self.only, "orderByKey": self.order, "orderByAsc": self.ascending, "startTime": "ALL"},
            **{"lifecycleFilter": "Active", "modelVersionFilter": "All Runs", "datasetsFilter": []},
            **{"selectedColumns": list(self.columns), "columnOrder": order, "columnWidths": {}},
            **{"runsHiddenMode": "SHOW_ALL", "runsHidden": [], "runsVisibilityMap": {}, "runsPinned": []},
            **{"runsExpanded": {}, "groupsExpanded": {}, "groupBy": None, "useGroupedValuesInCharts": True},
            **{"viewMaximized": False, "runListHidden": True, "autoRefreshEnabled": True},
            **{"hideEmptyCharts": True, "isAccordionReordered": True},
            "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
            "compareRunCharts": [
                _card(f"{self.key}-{number}-{position}", chart, f"{self.key}-{number}")
                for number, section in enumerate(self.sections)
                for position, chart in enumerate(section.charts)
            ],
            "compareRunSections": [
                _section(f"{self.key}-{number}", section) for number, section in enumerate(self.sections)
            ],
        }


def metric(name: str) -> str:
    """The column of a metric."""
    return f"metrics.`{name}`"


def param(name: str) -> str:
    """The column of a parameter."""
    return f"params.`{name}`"


def tag(name: str) -> str:
    """The column of a tag."""
    return f"tags.`{name}`"


def bars(name: str) -> Chart:
    """The last value of a metric, a bar for each run."""
    return Chart("BAR", {"metricKey": name})


def lines(names: Sequence[str], logarithmic: bool = False) -> Chart:
    """Metrics by epoch, a line for each run and metric."""
    settings: dict[str, Any] = {
        **{"metricKey": names[0], "selectedMetricKeys": list(names), "yAxisKey": "metric", "yAxisExpressions": []},
        **{"xAxisKey": "step", "selectedXAxisMetricKey": "", "xAxisScaleType": "linear", "useGlobalXaxisKey": False},
        **{"scaleType": "log" if logarithmic else "linear", "ignoreOutliers": False, "displayPoints": False},
        **{"lineSmoothness": 0, "useGlobalLineSmoothing": False},
        "range": {"xMin": None, "xMax": None, "yMin": None, "yMax": None},
    }
    return Chart("LINE", settings)


def scatter(across: Axis, up: Axis) -> Chart:
    """One thing against another, a dot for each run."""
    return Chart("SCATTER", {"xaxis": _axis(across), "yaxis": _axis(up)})


def parallel(axes: Sequence[Axis]) -> Chart:
    """Parallel coordinates, a line for each run: first parameters, then metrics, the last of which gives the colour."""
    named = {kind: [name for own, name in axes if own == kind] for kind in ("PARAM", "METRIC")}
    return Chart(
        "PARALLEL", {"selectedParams": named["PARAM"], "selectedMetrics": named["METRIC"], "showAllRuns": True}
    )


def _axis(axis: Axis) -> dict[str, str]:
    kind, name = axis
    return {"key": name, "type": kind}


def _card(uuid: str, chart: Chart, section: str) -> dict[str, Any]:
    about = {"uuid": uuid, "type": chart.kind, "metricSectionId": section, "runsCountToCompare": _LOADED}
    return {**about, "deleted": False, "isGenerated": False, **chart.settings}


def _section(uuid: str, section: Section) -> dict[str, Any]:
    shown = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": section.title, "columns": section.columns, **shown}
