"""Writes into MLflow what answers on opening, once a study is recorded and understood."""

from __future__ import annotations

import time

from analysis.report.build import Study
from study.recording.browsing.addresses import browse_text
from study.recording.browsing.cells import study_cells
from study.recording.browsing.questions import questions, watching
from study.recording.browsing.summary import write_summary
from study.recording.browsing.views import View
from study.recording.database.connection import gather_statistics
from study.recording.mlflow_sink import TrackingSink, tracking_errors


def write_watching(sink: TrackingSink, uri: str, study: str) -> str:
    """Writes the view of runs in training; returns how to open it.

    Args:
        sink: MLflow.
        uri: Its address.
        study: The study's name.

    Raises:
        TrackingError: If MLflow fails; it can be written again.
    """
    view = watching()
    with tracking_errors():
        sink.client.set_experiment_tag(sink.experiment, *view.tag(time.time_ns() // 1_000_000))
    return browse_text(uri, study, sink.experiment, [view])


def write_browsing(sink: TrackingSink, study: Study) -> list[View]:
    """Writes the study's aggregates, its views and its own run, in place of those of before.

    Returns:
        The views.

    Raises:
        TrackingError: If MLflow fails; the same can be written again.
    """
    now = time.time_ns() // 1_000_000
    cells = study_cells(study, now)
    views = questions(study, cells)
    sink.write_cells(cells)
    with tracking_errors():
        for view in views:
            sink.client.set_experiment_tag(sink.experiment, *view.tag(now))
        write_summary(sink, study, views, now)
        if sink.database is not None:
            gather_statistics(sink.database)
    return views
