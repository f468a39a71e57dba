"""``python -m study.run``: from one command to verdicts."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from study.config import (
    DEFAULT_PRESET,
    LIST_OPTIONS,
    SWITCHES,
    VALUE_OPTIONS,
    ConfigError,
    StudyConfig,
    environment,
    load_config,
    preset_names,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status: 0, 1 where runs failed, 2 where the study could not start."""
    options = vars(_parser().parse_args(arguments))
    preset, file, only_plan = options.pop("preset"), options.pop("config"), options.pop("plan")
    given = {name: value for name, value in options.items() if value is not None}
    try:
        config = load_config(preset, file, given, environment())
    except ConfigError as error:
        return _fail(error)
    try:
        from study.session import run_study  # heavy imports, which a typing error need not wait for
        from study.situation import StudyError

        try:
            status = run_study(config, only_plan)
            sys.stdout.flush()
            return status
        except StudyError as error:
            return _fail(error)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from what is recorded", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the output has left
        return 141


def _fail(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, like every other error."""
        self.exit(2, f"error: {message}; --help lists the options\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m study.run",
        description="Compares contrastive and triplet loss: trains the runs that a study lacks, then reports verdicts.",
    )
    parser.add_argument("--preset", metavar="NAME", help=f"{', '.join(preset_names())} (default: {DEFAULT_PRESET})")
    parser.add_argument("--config", type=Path, metavar="FILE.yaml", help="fields of a study; options override it")
    for name in LIST_OPTIONS:
        parser.add_argument(_flag(name), nargs="+", metavar=name.upper().removesuffix("S"), help=_help(name))
    for name in VALUE_OPTIONS:
        parser.add_argument(_flag(name), metavar=name.upper(), help=_help(name))
    for name in SWITCHES:
        parser.add_argument(_flag(name), action=argparse.BooleanOptionalAction, help=_help(name))
    parser.add_argument("--plan", action="store_true", help="print the plan and stop")
    return parser


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _help(name: str) -> str:
    return str(StudyConfig.model_fields[name].description).replace("%", "%%")


def _leave(status: int) -> NoReturn:
    """Ends the process without unloading torch, Ray and MLflow, which takes seconds; all files are written."""
    with contextlib.suppress(OSError, ValueError):  # whoever read it has left
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _leave(main())
