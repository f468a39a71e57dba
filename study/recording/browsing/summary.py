"""The study's own run: verdicts as metrics and tags, a description to read, and the datasets."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

from analysis.comparison.result import Result
from analysis.metrics import SCORE, TUNED
from analysis.plain_text import name_text
from analysis.report.build import Study
from analysis.report.document.assembly import answer_blocks
from analysis.report.renderers.markdown import blocks_text
from study.recording.browsing.naming import digest, tag_name
from study.recording.browsing.views import View
from study.recording.mlflow_sink import CONTENT_TAG, TrackingSink

NOTE_TAG = "mlflow.note.content"  # MLflow's own name, which its interface reads
_LONGEST_NOTE = 8000  # characters of a run's tag in MLflow
_LONGEST_DIGEST = 36  # characters of a dataset's digest in MLflow
_AT_ONCE = 100  # metrics and tags in one request: MLflow takes no more tags
_READ_ON = (
    "The whole report, with figures and methods, is `report/report.html` among this run's artifacts. Below this run "
    "lie those of the study, and its aggregates (tag `cell`): means over seeds with the ends of their 95% intervals."
)


def write_summary(sink: TrackingSink, study: Study, views: Sequence[View], now: int) -> None:
    """Writes what the study's run says, if it does not say so yet. MLflow raises errors of many kinds.

    Args:
        sink: Where the study's run is.
        study: What is known of it.
        views: What its description leads to.
        now: The time, in milliseconds since 1970.
    """
    from mlflow.entities import Metric, RunTag

    metrics, tags = dict(_metrics(study.findings.results)), dict(_tags(study))
    tags[NOTE_TAG] = description(study, views, sink.experiment)
    content = digest([metrics, tags, _datasets(study)])
    if sink.study_run is None or content == sink.study_content:
        return
    # A study that has grown has points at a later step.
    step = len(study.findings.stored.runs)
    points = [Metric(name, value, now, step) for name, value in metrics.items()]
    sink.client.log_inputs(sink.study_run, datasets=_inputs(study))
    texts = [RunTag(name, value) for name, value in {**tags, CONTENT_TAG: content}.items()]
    for start in range(0, max(len(points), len(texts)), _AT_ONCE):
        sink.client.log_batch(sink.study_run, points[start : start + _AT_ONCE], (), texts[start : start + _AT_ONCE])
    sink.study_content = content


def description(study: Study, views: Sequence[View], experiment: str) -> str:
    """What the study found and where to read on, in Markdown, as long as MLflow allows."""
    links = "\n".join(f"- [{view.title}]({view.address(experiment)})" for view in views)
    answer, *tables = (blocks_text([block]) for block in answer_blocks(study.findings))
    whole = "\n\n".join([answer, links, *tables, _READ_ON])
    short = "\n\n".join([links, "The verdicts stand in the tags and in the report.", _READ_ON])
    return whole if len(whole) <= _LONGEST_NOTE else short


def _judged(results: Sequence[Result]) -> Iterator[tuple[str, Result]]:
    """Each tuned verdict with the words that its names end in: the dataset, and the metric unless it is the primary."""
    for result in results:
        if result.estimand == TUNED and not result.is_shown:
            pair = () if _pairs(results) == 1 else tuple(result.arms)
            metric = () if result.metric == SCORE.name else (result.metric,)
            yield tag_name(str(result.dataset), *pair, *metric), result


def _pairs(results: Sequence[Result]) -> int:
    return len({result.arms for result in results})


def _metrics(results: Sequence[Result]) -> Iterator[tuple[str, float]]:
    for name, result in _judged(results):
        values = {
            **{"difference": result.difference, "ci_low": result.ci_low, "ci_high": result.ci_high},
            **{"p": result.p_corrected, "seeds": float(result.n)},
        }
        for what, value in values.items():
            if math.isfinite(value):
                yield f"{what}_{name}", value


def _tags(study: Study) -> Iterator[tuple[str, str]]:
    for name, result in _judged(study.findings.results):
        yield f"verdict_{name}", str(result.judged)
    for one in study.findings.overall:
        if one.estimand == TUNED and one.metric == SCORE.name:
            pair = () if _pairs(study.findings.results) == 1 else tuple(one.arms)
            yield "_".join(["verdict", *([tag_name(*pair)] if pair else [])]), str(one.verdict)
    for judged in study.findings.claims:
        yield f"claim_{tag_name(judged.claim.name)}", judged.verdict


def _datasets(study: Study) -> list[tuple[str, str]]:
    runs = (
        study.findings.stored.runs[["dataset", "data_digest"]].drop_duplicates().sort_values(["dataset", "data_digest"])
    )
    return [(name_text(name), str(digest)[:_LONGEST_DIGEST]) for name, digest in runs.itertuples(index=False)]


def _inputs(study: Study) -> list[object]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    context = [InputTag("mlflow.data.context", "training")]
    source = json.dumps({"study": study.findings.study})
    return [DatasetInput(Dataset(name, found, "code", source), context) for name, found in _datasets(study)]
