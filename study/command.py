"""The options of ``python -m study.run``, and the study that they describe."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from study.config.loading import DEFAULT_PRESET, environment, load_config, preset_names
from study.config.model import ANSWERS, LIST_OPTIONS, SWITCHES, VALUE_OPTIONS, StudyConfig


def read_command(arguments: Sequence[str] | None = None) -> tuple[StudyConfig, bool]:
    """The study that a command asks for, and whether it asks for the plan alone.

    Args:
        arguments: Of the command, by default those of this process.

    Raises:
        ConfigError: If they describe no study.
        SystemExit: If an option is unknown, with one line; or after ``--help``.
    """
    options = vars(command_parser().parse_args(arguments))
    preset, file, only_plan = options.pop("preset"), options.pop("config"), options.pop("plan")
    given = {name: value for name, value in options.items() if value is not None}
    given |= {name: ["true"] for name in ANSWERS if given.get(name) == []}
    return load_config(preset, file, given, environment()), only_plan


def command_parser() -> argparse.ArgumentParser:
    """Reads options; each field of `StudyConfig` is one."""
    parser = _Parser(
        prog="python -m study.run",
        description="Compares losses for embeddings: trains the runs that a study lacks, then reports verdicts.",
    )
    parser.add_argument("--preset", metavar="NAME", help=f"{', '.join(preset_names())} (default: {DEFAULT_PRESET})")
    parser.add_argument("--config", type=Path, metavar="FILE.yaml", help="fields of a study; options override it")
    for name in LIST_OPTIONS:
        answers = name in ANSWERS
        parser.add_argument(
            _flag(name), nargs="*" if answers else "+", metavar=_singular(name).upper(), help=_help(name)
        )
        if answers:
            parser.add_argument(f"--no-{_flag(name)[2:]}", dest=name, action="store_const", const=["false"])
    for name in VALUE_OPTIONS:
        parser.add_argument(_flag(name), metavar=name.upper(), help=_help(name))
    for name in SWITCHES:
        parser.add_argument(_flag(name), action=argparse.BooleanOptionalAction, help=_help(name))
    parser.add_argument("--plan", action="store_true", help="print the plan and stop")
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Prints one line, as all other errors do."""
        self.exit(2, f"error: {message}; --help lists the options\n")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _singular(name: str) -> str:
    return name.removesuffix("es" if name.endswith("sses") else "s")


def _help(name: str) -> str:
    return str(StudyConfig.model_fields[name].description).replace("%", "%%")
