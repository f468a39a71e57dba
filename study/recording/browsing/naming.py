"""Names that MLflow allows, for what is called by the names of datasets, and digests of what is written."""

from __future__ import annotations

import hashlib
import json
import re

_CURVES = {
    "train/loss": "loss",
    "train/active_ratio": "active ratio",
    "train/grad_norm": "gradient norm",
    "test/intra_variance": "intra variance",
    "test/inter_variance": "inter variance",
    "test/map_at_r": "map_at_r by epoch",
}


def allowed(text: str) -> str:
    """A text as a part of a metric's or a tag's name; MLflow knows letters, digits and few signs."""
    return re.sub(r"[^\w.: -]+", " ", text, flags=re.ASCII).strip()


def by_epoch_name(dataset: str, metric: str) -> str:
    """A metric by epoch on one dataset, so that a chart of it shows this dataset alone."""
    return f"{allowed(dataset)} {_CURVES.get(metric, allowed(metric.replace('/', ' ')))}"


def score_name(dataset: str) -> str:
    """MAP@R at the end on one dataset, so that a chart of it shows this dataset alone."""
    return f"{allowed(dataset)} map_at_r"


def tag_name(*parts: str) -> str:
    """Some names as one word of MLflow's search language: ``verdict_digits``."""
    return "_".join(re.sub(r"\W+", "_", part, flags=re.ASCII).strip("_") for part in parts)


def digest(content: object) -> str:
    """Sixteen hexadecimal digits that tell contents apart."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
