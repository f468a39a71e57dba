"""``python -m analysis.report --study NAME``: writes a study's verdicts, figures and the report on them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.masking import guarded_output
from analysis.plain_text import message_text
from analysis.report.build import build_report
from analysis.store.loading import StudyNotFoundError

_EXAMPLE = "map_at_r=0.02 intra_variance=1.2"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuilds a study's report and returns the exit status."""
    with guarded_output(sys.argv[1:] if arguments is None else arguments):
        return _rebuild(arguments)


def _rebuild(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analysis.report", description="Rebuilds the report of a study.")
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--storage", default="results", help="folder or address of the records and the report")
    parser.add_argument("--tracking-uri", help="read the study from this MLflow instead of the records")
    parser.add_argument("--claims", type=Path, metavar="FILE.yaml", help="claims of your own instead of the paper's")
    parser.add_argument(
        "--rope", nargs="+", default=[], metavar="METRIC=VALUE", help=f"regions of equivalence of your own: {_EXAMPLE}"
    )
    options = parser.parse_args(arguments)
    try:
        rope = _regions(options.rope)
        shown = build_report(options.study, options.storage, options.tracking_uri, options.claims, rope)
    except (StudyNotFoundError, OSError, ValueError) as error:
        print(f"error: {message_text(error)}", file=sys.stderr)
        return 2
    print(shown)
    return 0


def _regions(assignments: Sequence[str]) -> dict[str, float]:
    """``["metric=value", ...]`` as a mapping."""
    rope: dict[str, float] = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"--rope: {assignment!r} should be METRIC=VALUE, as in {_EXAMPLE}") from None
        if name in rope:
            raise ValueError(f"--rope: {name} has two values")
        rope[name] = number
    return rope


if __name__ == "__main__":
    sys.exit(main())
