"""What a search draws from where a study gives no ranges of its own."""

from __future__ import annotations

from collections.abc import Container
from functools import cache
from pathlib import Path
from typing import Any

from analysis.yaml_file import read_yaml
from study.config.levels import read_range

_FILE = Path(__file__).parent / "ranges.yaml"


def default_ranges(field: str, normalized: Container[str]) -> dict[str, str]:
    """The range of each loss, as a user writes it.

    Args:
        field: ``"margins"`` or ``"lrs"``.
        normalized: The losses whose embeddings are always normalised.
    """
    return {loss: _range(field, loss, loss in normalized) for loss in _content()["raw"]["margins"]}


def widest_on_sphere(loss: str) -> float:
    """The margin beyond which normalised embeddings need not be searched, on the scale of a loss."""
    return read_range(_range("margins", loss, normalized=True)).high


def _range(field: str, loss: str, normalized: bool) -> str:
    ranges = _content()["normalized" if normalized else "raw"][field]
    return str(ranges[loss] if isinstance(ranges, dict) else ranges)


@cache
def _content() -> Any:
    return read_yaml(_FILE)
